import type { Digest, OriginRef, PeerRef } from '../core/index.ts'

/** Which agents an order is for. `zone`: each knows its own. `named`: whoever is told. */
export type Target =
  | { readonly kind: 'all' }
  | { readonly kind: 'zone'; readonly zone: string }
  | { readonly kind: 'named' }

/** The image that all are to fetch. Its tag was resolved where the order was given, so that all fetch the same one. */
export interface OrderedImage extends OriginRef {
  readonly digest: Digest
}

/** What a node is told: fetch this image if it is for you, and tell those. */
export interface Order {
  /** The same on all ways; who hears it a second time is not told anything new. */
  readonly id: string
  readonly image: OrderedImage
  /** `os/architecture[/variant]`; without it each takes its own. */
  readonly platform?: string | undefined
  readonly target: Target
  /** How many times more it may be passed on. */
  readonly hops: number
  /** Time left. */
  readonly timeoutMs: number
  /** PeerIds that it came through, the starter first. */
  readonly path: readonly string[]
  /** Whom the receiver is to tell. */
  readonly members: readonly PeerRef[]
  /** Tails of the PeerIds of all that somebody has been asked to tell, as far as it is known. */
  readonly covered: readonly string[]
  /** The receiver was told by the sender before, and that stream broke off. */
  readonly isAgain: boolean
}

/** Nodes that one node tells at the same time: three steps reach five hundred. */
export const FAN_OUT = 8

/** Steps to the last node: four for thousands of nodes that know each other, more along a chain of acquaintances. */
export const MAX_HOPS = 32

/** Members in one message; with their addresses some tens of kilobytes. */
export const MAX_MEMBERS = 256

/** Tails in one message. Beyond it some nodes are told twice, which costs a message each. */
export const MAX_COVERED = 8192

/** Longest that anybody works on one order; whoever names more is cut to it. */
export const MAX_ORDER_MS = 24 * 3_600_000

/** Characters of a tail: 58 bits of the key's own randomness. */
export const TAIL_CHARS = 10

/** The short form of a PeerId in `covered`. Its beginning is the same for all keys of a kind. */
export function tailOf(peerId: string): string {
  return peerId.slice(-TAIL_CHARS)
}
