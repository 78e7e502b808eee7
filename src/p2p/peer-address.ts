import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { PeerRef } from '../core/index.ts'
import { InvalidPeerError } from './errors.ts'

/** Longest multiaddr taken from outside: a 253-character DNS name with port and PeerId fits. */
const MAX_ADDRESS_CHARS = 400

/** Addresses of one peer that are taken from one hearing; a node has a handful of interfaces. */
const MAX_ADDRESSES_PER_PEER = 16

/** The peer and its address that a multiaddr ending in `/p2p/PEERID` names, or `undefined` when `text` is no such thing. */
export function parsePeerAddress(text: string): PeerRef | undefined {
  const address = parseMultiaddr(text)
  if (address === undefined) return undefined
  const id = peerIdIn(address)
  if (id === undefined || !isPeerId(id)) return undefined
  const isBare = address.getComponents().every((component) => component.code === CODE_P2P)
  return { id, addresses: isBare ? [] : [address.toString()] }
}

/** Whether `text` is a PeerId in text form. */
export function isPeerId(text: string): boolean {
  try {
    peerIdFromString(text)
    return true
  } catch {
    return false
  }
}

/** The PeerId that `text` spells; throws an InvalidPeerError. */
export function toPeerId(text: string): PeerId {
  try {
    return peerIdFromString(text)
  } catch (error) {
    throw new InvalidPeerError(text, 'not a PeerId', error)
  }
}

/** The usable addresses of `peer`: what does not parse, names another peer or is too much is left out. */
export function multiaddrsOf(peer: PeerRef): Multiaddr[] {
  const usable: Multiaddr[] = []
  for (const text of peer.addresses.slice(0, MAX_ADDRESSES_PER_PEER)) {
    const address = parseMultiaddr(text)
    const id = address === undefined ? undefined : peerIdIn(address)
    if (address !== undefined && (id === undefined || id === peer.id)) usable.push(address)
  }
  return usable
}

/** What is told to others of our own addresses: no link-local ones, and loopback ones only when there is nothing else. */
export function announceable(addresses: Multiaddr[]): Multiaddr[] {
  const routable = addresses.filter((address) => !isLinkLocal(address.toString()))
  const elsewhere = routable.filter((address) => !isLoopback(address.toString()))
  return elsewhere.length > 0 ? elsewhere : routable
}

/** Protocols of multiaddrs whose value is an IP address or a DNS name. */
const HOST_PROTOCOLS = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])

/** The IP address or DNS name in `address`, without a zone; `undefined` when it names no host or is relayed. */
export function hostOf(address: Multiaddr): string | undefined {
  const components = address.getComponents()
  if (components.some(({ name }) => name === 'p2p-circuit')) return undefined
  return components.find(({ name }) => HOST_PROTOCOLS.has(name))?.value
}

function parseMultiaddr(text: string): Multiaddr | undefined {
  if (text.length === 0 || text.length > MAX_ADDRESS_CHARS) return undefined
  try {
    return multiaddr(text)
  } catch {
    return undefined
  }
}

function peerIdIn(address: Multiaddr): string | undefined {
  return address.getComponents().findLast((component) => component.code === CODE_P2P)?.value
}

function isLoopback(text: string): boolean {
  return text.startsWith('/ip4/127.') || text.startsWith('/ip6/::1/')
}

function isLinkLocal(text: string): boolean {
  return text.startsWith('/ip4/169.254.') || text.startsWith('/ip6/fe80:')
}
