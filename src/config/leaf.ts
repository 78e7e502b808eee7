import { resolve } from 'node:path'
import { z } from 'zod'
import { parseDuration } from './duration.ts'
import { type ListenAddress, parseListenAddress } from './listen-address.ts'
import { isPeerId, parsePeerAddress } from './multiaddr.ts'
import { parseRate } from './rate.ts'
import { parseSize } from './size.ts'

/** Longest text value taken; paths and URLs are far shorter. */
const MAX_TEXT_LENGTH = 4096

/** Most entries of one list; bounds what a wrong file can make the process do. */
const MAX_LIST_LENGTH = 1000

/**
 * Kinds of values, each a schema from what YAML, an environment variable or a flag gives to what the program uses.
 * Every failure reads `expected <what>, got <value>`.
 */
function leaf<T>(expected: string, parse: (value: unknown) => T | undefined) {
  return z.unknown().transform((value, context): T => {
    const parsed = parse(value)
    if (parsed !== undefined) return parsed
    context.addIssue({ code: 'custom', message: `expected ${expected}, got ${shown(value)}`, input: value })
    return z.NEVER
  })
}

/** A leaf that is written as text only. */
function textLeaf<T>(expected: string, parse: (text: string) => T | undefined) {
  return leaf(expected, (value) =>
    typeof value === 'string' && value.length <= MAX_TEXT_LENGTH && !value.includes('\0') ? parse(value) : undefined,
  )
}

/** `value` as an error message shows it: short, on one line, never a whole document. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a section'
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

export const text = () => textLeaf('text (in quotes when it looks like a number)', (value) => value)

/** A file or folder; relative ones count from the folder the command is started in. */
export const filePath = () => textLeaf('a path', (value) => (value === '' ? undefined : resolve(value)))

export const size = () =>
  leaf('a size such as 50GiB, 256MiB or 1GB', (value) =>
    typeof value === 'number' || typeof value === 'string' ? parseSize(String(value)) : undefined,
  )

export const RATE_EXPECTED = 'a rate such as 50MiB/s, 800mbit (at least 64KiB/s) or unlimited'

/** Bytes per second; `Infinity` is no limit. */
export const rate = () => textLeaf(RATE_EXPECTED, parseRate)

export const duration = () =>
  leaf('a duration with its unit such as 30s, 5m or 200ms', (value) =>
    value === 0 ? 0 : typeof value === 'string' ? parseDuration(value) : undefined,
  )

/** A size, or a share of the disk that the data folder is on. */
export type Quota = { readonly bytes: number } | { readonly shareOfDisk: number }

export const quota = () =>
  leaf('a size such as 50GiB or a share of the disk such as 10%', (value): Quota | undefined => {
    const percent = typeof value === 'string' ? /^(\d{1,2}(?:\.\d{1,3})?|100)%$/.exec(value.trim())?.[1] : undefined
    if (percent !== undefined) return { shareOfDisk: Number(percent) / 100 }
    const bytes = typeof value === 'number' || typeof value === 'string' ? parseSize(String(value)) : undefined
    return bytes === undefined ? undefined : { bytes }
  })

export const count = (min: number, max: number) =>
  leaf(`a whole number from ${min} to ${max}`, (value) => {
    const number = typeof value === 'string' && /^\d{1,15}$/.test(value.trim()) ? Number(value) : value
    return typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max ? number : undefined
  })

export const choice = <const T extends string>(...values: readonly T[]) =>
  textLeaf(`one of ${values.join(', ')}`, (value) => values.find((candidate) => candidate === value))

export const listenAddress = () => textLeaf('an address such as 127.0.0.1:5000 or [::1]:5000', parseListenAddress)

/** An address to listen on, or none. */
export const listenAddressOrOff = () =>
  textLeaf('an address such as 0.0.0.0:5002 or [::]:5002, or off', (value): ListenAddress | 'off' | undefined =>
    value.trim() === 'off' ? 'off' : parseListenAddress(value),
  )

/** `/ip4/0.0.0.0/tcp/5001`; a PeerId at the end is ours to say, not to be told. */
export const listenMultiaddr = () =>
  textLeaf('a multiaddr to listen on such as /ip4/0.0.0.0/tcp/5001', (value) => {
    const parsed = parsePeerAddress(value)
    return parsed !== undefined && parsed.peerId === undefined ? value : undefined
  })

/** A peer at an address, with the PeerId it must prove to have. */
export const pinnedMultiaddr = () =>
  textLeaf('a multiaddr that ends with /p2p/<PeerId> such as /ip4/10.0.0.1/tcp/5001/p2p/12D3KooW…', (value) => {
    const parsed = parsePeerAddress(value)
    return parsed?.peerId === undefined ? undefined : { id: parsed.peerId, address: value }
  })

export const peerId = () => textLeaf('a PeerId (12D3KooW…)', (value) => (isPeerId(value) ? value : undefined))

/** A registry as containerd names it: a host with or without a port. */
export const NAMESPACE_PATTERN = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]+\])(?::\d{1,5})?$/

export const namespace = () =>
  textLeaf('a registry host such as docker.io or registry.example:5000', (value) =>
    NAMESPACE_PATTERN.test(value) ? value : undefined,
  )

/** RFC 9110 section 5.1: a field name is a token. */
export const headerName = () =>
  textLeaf('the name of an HTTP header', (value) =>
    /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/.test(value) ? value.toLowerCase() : undefined,
  )

/** The base of an origin registry. Credentials in it are refused: it is logged and shown. */
export const originUrl = () =>
  textLeaf('a URL such as https://registry.example:5000, without credentials or query', (value) => {
    const url = URL.parse(value)
    const isPlain = url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === ''
    return isPlain && /^https?:$/.test(url.protocol) ? url.href.replace(/\/+$/, '') : undefined
  })

export const list = <T extends z.ZodType>(item: T) =>
  z
    .array(item, { error: (issue) => `expected a list, got ${shown(issue.input)}` })
    .max(MAX_LIST_LENGTH, { error: `expected at most ${MAX_LIST_LENGTH} entries` })
