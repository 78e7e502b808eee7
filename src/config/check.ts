import { formatListenAddress, isLoopback, type ListenAddress } from './listen-address.ts'
import type { Settings } from './schema.ts'
import { hint } from './unknown-names.ts'

/** Something wrong between settings that are each right; the path is that of the setting to change. */
export interface Conflict {
  readonly path: readonly PropertyKey[]
  readonly reason: string
}

/** Everything in `settings` that does not go together. */
export function conflictsIn(settings: Settings): Conflict[] {
  return [...unlistedNamespaces(settings), ...halfCredentials(settings), ...sharedAddresses(settings)]
}

function* unlistedNamespaces({ mirror, registries }: Settings): Generator<Conflict> {
  const allowed = Object.keys(registries)
  const isUnlisted = (namespace: string | undefined) => namespace !== undefined && !allowed.includes(namespace)
  const reason = (namespace = '') => `${namespace} is not among the registries${hint(namespace, allowed)}`
  if (isUnlisted(mirror.defaultNamespace)) {
    yield { path: ['mirror', 'defaultNamespace'], reason: reason(mirror.defaultNamespace) }
  }
  for (const [index, listener] of mirror.listeners.entries()) {
    if (isUnlisted(listener.namespace)) {
      yield { path: ['mirror', 'listeners', index, 'namespace'], reason: reason(listener.namespace) }
    }
  }
}

function* halfCredentials({ registries }: Settings): Generator<Conflict> {
  for (const [namespace, { username, passwordFile }] of Object.entries(registries)) {
    if ((username === undefined) === (passwordFile === undefined)) continue
    const [given, missing] = username === undefined ? ['passwordFile', 'username'] : ['username', 'passwordFile']
    yield { path: ['registries', namespace, given], reason: `needs ${missing} beside it` }
  }
}

function* sharedAddresses({ mirror, admin }: Settings): Generator<Conflict> {
  const places: [path: readonly PropertyKey[], address: ListenAddress][] = [
    ...mirror.listen.map((address, index): [PropertyKey[], ListenAddress] => [['mirror', 'listen', index], address]),
    ...mirror.listeners.map(({ address }, index): [PropertyKey[], ListenAddress] => [
      ['mirror', 'listeners', index, 'address'],
      address,
    ]),
    [['admin', 'listen'], admin.listen],
  ]
  const seen = new Set<string>()
  for (const [path, address] of places) {
    const spelling = formatListenAddress(address)
    if (address.port !== 0 && seen.has(spelling)) yield { path, reason: `${spelling} is already listened on` }
    seen.add(spelling)
  }
}

/** What is allowed but should be known to whoever reads the log. */
export function warningsFor(config: {
  mirror: { listen: readonly ListenAddress[] }
  admin: { listen: ListenAddress }
}): string[] {
  const open = config.mirror.listen.filter((address) => !isLoopback(address))
  const warnings = open.map(
    (address) =>
      `mirror.listen: everybody who can connect to ${formatListenAddress(address)} can pull through this mirror`,
  )
  if (!isLoopback(config.admin.listen)) {
    warnings.push(
      `admin.listen: everybody who can connect to ${formatListenAddress(config.admin.listen)} can see status, start pulls and change limits`,
    )
  }
  return warnings
}
