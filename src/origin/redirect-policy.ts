import { hasForbiddenHost } from './address-policy.ts'
import { OriginBrokenError } from './errors.ts'
import type { Place } from './place.ts'

/** Most redirects of one request; registries send one, front ends of theirs another. */
export const MAX_REDIRECTS = 5

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Whether an answer of this status says where else to ask. */
export function isRedirect(status: number): boolean {
  return REDIRECTS.has(status)
}

/**
 * Where a redirect from `from` leads. Throws OriginBrokenError when it leads nowhere, out of http, from https down to http (the
 * bytes of a range are believed because of the connection they came over), or from another machine's registry to this machine.
 */
export function redirectTarget(place: Place, from: URL, location: string | undefined): URL {
  const target = URL.parse(location ?? '', from)
  if (location === undefined || target === null) throw new OriginBrokenError('redirect without a valid Location')
  if (target.protocol !== 'https:' && target.protocol !== 'http:')
    throw new OriginBrokenError(`redirect to ${target.protocol}`)
  if (from.protocol === 'https:' && target.protocol === 'http:')
    throw new OriginBrokenError('redirect from https to http')
  if (target.username !== '' || target.password !== '') throw new OriginBrokenError('redirect with credentials in it')
  if (isGuarded(place, target) && hasForbiddenHost(target))
    throw new OriginBrokenError(`redirect to ${target.hostname}`)
  return target
}

/** Whether the addresses behind `target` must be checked: all but the registry's own host, and all of a registry that is not on this machine. */
export function isGuarded(place: Place, target: URL): boolean {
  return !place.isLoopback && target.hostname !== place.baseUrl.hostname
}
