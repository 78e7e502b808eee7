import { parse, stringify, type TomlTable } from 'smol-toml'
import type { CertFiles } from './cert-files.ts'

/** The mirror as a hosts.toml names it. */
export interface MirrorHost {
  /** `http://127.0.0.1:5000`, without a path. */
  readonly url: string
  /** Sent along as `x-shoal-ns`; `undefined` in `_default`, where containerd names the registry itself by `ns`. */
  readonly namespace: string | undefined
  readonly dialTimeoutMs: number
}

/** A hosts.toml taken apart. The last host that containerd asks is always `server`, or the registry itself when there is none. */
export interface HostsFile {
  readonly server: string | undefined
  /** In the order in which containerd asks them. */
  readonly hosts: readonly { readonly url: string; readonly capabilities: readonly string[] }[]
  /** URL of the mirror that our marker names; `undefined` when the file is not ours. */
  readonly markedMirror: string | undefined
}

/** By this line we know a file of ours. */
const MARKER = /^# shoal-mirror: (\S+)$/m

/** What a host may be used for when the file does not say. */
const DEFAULT_CAPABILITIES = ['pull', 'resolve', 'push']

/** Reads a hosts.toml; `undefined` when containerd would not take it as one (it then ignores the whole file). */
export function parseHosts(text: string): HostsFile | undefined {
  const table = parseTable(text)
  if (table === undefined) return undefined
  const server = typeof table.server === 'string' && table.server !== '' ? table.server : undefined
  const hosts = Object.entries(hostsOf(table)).map(([url, host]) => ({ url, capabilities: capabilitiesOf(host) }))
  return { server, hosts, markedMirror: markedMirror(text) }
}

/** URL of the mirror in our marker, or `undefined` when the text is not ours. */
export function markedMirror(text: string): string | undefined {
  return MARKER.exec(text)?.[1]
}

/**
 * The text with the mirror in front of what `original` says, everything else in it kept. An empty original means that
 * containerd took the certificate files beside it; those are named then, since it no longer looks for them.
 * `undefined` when the original is not a hosts.toml.
 */
export function withMirror(original: string, mirror: MirrorHost, certificates: CertFiles): string | undefined {
  const table = original === '' ? certificateKeys(certificates) : parseTable(original)
  if (table === undefined) return undefined
  const { [mirror.url]: _ours, ...others } = hostsOf(table)
  return `# Written by \`shoal containerd configure\`; \`shoal containerd restore\` puts back what was here before.
# shoal-mirror: ${mirror.url}
${stringify({ ...table, host: { [mirror.url]: mirrorTable(mirror), ...others } })}`
}

/** A file of ours without the mirror: what the user had, as far as can be told. Empty when nothing is left. */
export function withoutMirror(text: string): string {
  const table = parseTable(text)
  if (table === undefined) return ''
  const { [markedMirror(text) ?? '']: _ours, ...others } = hostsOf(table)
  const { host: _all, ...root } = table
  const rest: TomlTable = Object.keys(others).length === 0 ? root : { ...root, host: others }
  return Object.keys(rest).length === 0 ? '' : stringify(rest)
}

/** `dial_timeout` is read by containerd 2.0.7 and newer and ignored before; an unknown capability would void the whole file in 1.6. */
function mirrorTable(mirror: MirrorHost): TomlTable {
  const table: TomlTable = { capabilities: ['pull', 'resolve'], dial_timeout: `${mirror.dialTimeoutMs}ms` }
  return mirror.namespace === undefined ? table : { ...table, header: { 'x-shoal-ns': mirror.namespace } }
}

function certificateKeys({ authorities, clients }: CertFiles): TomlTable {
  const table: TomlTable = {}
  if (authorities.length > 0) table.ca = [...authorities]
  if (clients.length > 0)
    table.client = clients.map((pair) => (pair.key === undefined ? pair.certificate : [pair.certificate, pair.key]))
  return table
}

/** A missing `host` is taken as none: containerd 1.6 rejects such a file, later ones do not. */
function parseTable(text: string): TomlTable | undefined {
  try {
    const table = parse(text)
    const isUsable = table.host === undefined || (isTable(table.host) && Object.values(table.host).every(isTable))
    return isUsable ? table : undefined
  } catch {
    return undefined
  }
}

function hostsOf(table: TomlTable): TomlTable {
  return isTable(table.host) ? table.host : {}
}

function capabilitiesOf(host: unknown): string[] {
  const listed =
    isTable(host) && Array.isArray(host.capabilities)
      ? host.capabilities.filter((item) => typeof item === 'string')
      : []
  return listed.length > 0 ? listed : DEFAULT_CAPABILITIES
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}
