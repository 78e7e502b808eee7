import { isIP } from 'node:net'

/** A multiaddr taken apart as far as the configuration needs it. */
export interface PeerAddress {
  /** As it was written. */
  readonly address: string
  /** The PeerId at its end, when it has one. */
  readonly peerId: string | undefined
}

/** An Ed25519 PeerId: the base58 of a 36-byte identity multihash, which always begins like this and has 52 characters. */
const PEER_ID = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/

/** Longest multiaddr taken; a DNS name has at most 253 characters. */
const MAX_LENGTH = 512

const IS_HOST: Readonly<Record<string, (value: string) => boolean>> = {
  ip4: (value) => isIP(value) === 4,
  ip6: (value) => isIP(value) === 6,
  dns: isDnsName,
  dns4: isDnsName,
  dns6: isDnsName,
}

/** Whether `text` is the PeerId of an Ed25519 key, the only kind that agents and trackers have. */
export function isPeerId(text: string): boolean {
  return PEER_ID.test(text)
}

/** Reads `/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT[/p2p/PEERID]`, the only shape that is dialled; `undefined` for anything else. */
export function parsePeerAddress(text: string): PeerAddress | undefined {
  if (text.length > MAX_LENGTH) return undefined
  const parts = text.split('/')
  const [empty, family = '', host = '', transport, port = '', p2p, peerId] = parts
  if (empty !== '' || (parts.length !== 5 && parts.length !== 7) || transport !== 'tcp') return undefined
  if (!Object.hasOwn(IS_HOST, family) || IS_HOST[family]?.(host) !== true || !isPort(port)) return undefined
  if (parts.length === 7 && (p2p !== 'p2p' || peerId === undefined || !isPeerId(peerId))) return undefined
  return { address: text, peerId }
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535
}

/** RFC 1123: labels of letters, digits and hyphens, at most 63 each and 253 together. */
function isDnsName(text: string): boolean {
  return (
    text.length <= 253 &&
    /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.?$/i.test(text)
  )
}
