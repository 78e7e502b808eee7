import { isIP } from 'node:net'
import { normalizeNamespace } from '../oci/index.ts'

/** Top-level names of special use (RFC 6761, RFC 6762) and those that cloud metadata services answer to. */
const SPECIAL_USE: ReadonlySet<string> = new Set(['localhost', 'local', 'internal', 'localdomain', 'arpa', 'invalid'])

/**
 * Whether the mirror serves a namespace, from patterns: an exact name (`docker.io`, `registry.test:5000`), `*.example.com`
 * for every name below a domain, or `*` for every public-looking DNS name. A wildcard never admits an IP address,
 * `localhost` or a name without a dot: those reach this machine, the link or the cloud's metadata service.
 */
export function namespaceAllowList(patterns: readonly string[]): (namespace: string) => boolean {
  const exact = new Set<string>()
  const suffixes: string[] = []
  for (const pattern of patterns) {
    if (pattern.startsWith('*.')) suffixes.push(pattern.slice(1).toLowerCase())
    else if (pattern !== '*') exact.add(normalizeNamespace(pattern) ?? pattern)
  }
  const allowsPublic = patterns.includes('*')
  return (namespace) => {
    if (exact.has(namespace)) return true
    const host = hostOf(namespace)
    if (!isDnsName(host)) return false
    return suffixes.some((suffix) => host.endsWith(suffix)) || (allowsPublic && !SPECIAL_USE.has(lastLabel(host)))
  }
}

function hostOf(namespace: string): string {
  return namespace.startsWith('[') ? namespace : (namespace.split(':', 1)[0] ?? namespace)
}

/** Resolvers also take `169.0xfea9fe` and the like for addresses; no top-level domain begins with a digit. */
function isDnsName(host: string): boolean {
  return !host.startsWith('[') && isIP(host) === 0 && host.includes('.') && !/^\d/.test(lastLabel(host))
}

function lastLabel(host: string): string {
  return host.slice(host.lastIndexOf('.') + 1)
}
