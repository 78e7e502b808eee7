import { hasForbiddenHost } from './address-policy.ts'
import type { Place } from './place.ts'
import { isGuarded } from './redirect-policy.ts'

/** What may be sent to the realm of a challenge: our credentials, a request without them, or nothing at all. */
export type RealmTrust = 'credentials' | 'anonymous' | 'refused'

// Under these anybody can have a name, so that a shared parent domain does not mean a shared owner.
const SHARED_PARENTS = ['azurecr.io', 'amazonaws.com', 'pkg.dev', 'gcr.io', 'azurewebsites.net', 'run.app']

/**
 * How far the realm that a registry names is trusted. It must be https, unless the registry itself is plain http, or it is on the
 * registry's own host; credentials go to that host, to siblings under the same domain (auth.docker.io for registry-1.docker.io) and to configured hosts only.
 */
export function realmTrust(place: Place, realm: URL): RealmTrust {
  const isOwnHost = realm.hostname === place.baseUrl.hostname
  if (realm.protocol !== 'https:' && !(realm.protocol === 'http:' && (isOwnHost || place.isPlainHttp))) return 'refused'
  if (isGuarded(place, realm) && hasForbiddenHost(realm)) return 'refused'
  // A registry asked over https must not have its password sent in the clear, not even to its own host.
  if (realm.protocol === 'http:' && !place.isPlainHttp) return 'anonymous'
  return isOwnHost || isConfigured(place, realm) || isSibling(place.baseUrl.hostname, realm.hostname)
    ? 'credentials'
    : 'anonymous'
}

function isConfigured(place: Place, realm: URL): boolean {
  return place.realmHosts.has(realm.host) || place.realmHosts.has(realm.hostname)
}

/** Whether `realm` is the parent domain of `registry`, or under it, and that parent is somebody's own. */
function isSibling(registry: string, realm: string): boolean {
  const parent = registry.slice(registry.indexOf('.') + 1)
  return isOwnedDomain(parent) && isWithin(parent, realm)
}

// Without the public suffix list: two labels at least, and not of the shape of `co.uk`. What is missed needs `realmHosts`.
function isOwnedDomain(domain: string): boolean {
  const labels = domain.split('.')
  const [second = '', top = ''] = labels.slice(-2)
  if (labels.length < 2 || /^\d+$/.test(top) || SHARED_PARENTS.some((shared) => isWithin(shared, domain))) return false
  return labels.length > 2 || top.length > 2 || second.length > 3
}

function isWithin(parent: string, host: string): boolean {
  return host === parent || host.endsWith(`.${parent}`)
}
