import type { BlobRef, Digest, OriginGrant, PeerRef, PeerRole } from '../core/index.ts'

/**
 * How much a want is in a hurry: a reader waits for it, it is in the window in front of a reader, it is the rest of what a
 * reader reads, or nobody waits for it.
 */
export type Urgency = 'now' | 'soon' | 'later' | 'idle'

/** The first message each way of a control stream. The role is what the peer says of itself: who is believed is decided by PeerId. */
export interface HelloMessage {
  readonly kind: 'hello'
  readonly version: number
  readonly role: PeerRole
  readonly zone: string
  /** The TCP port at which the peer takes data lanes over TLS, if it does. */
  readonly bulkPort?: number | undefined
}

/** Begins a subscription to a blob. */
export interface FollowMessage {
  readonly kind: 'follow'
  readonly follow: number
  readonly ref: BlobRef
  readonly origins: readonly OriginGrant[]
  /** Fingerprint of the follower's layout; left out for the grid. */
  readonly layout?: string
}

/** What a follower says on its control stream. `follow` and `request` are numbers it chose; answers carry them. */
export type FollowerMessage =
  | HelloMessage
  | FollowMessage
  | { readonly kind: 'unfollow'; readonly follow: number }
  | { readonly kind: 'announce'; readonly isHeld: boolean; readonly digests: readonly Digest[] }
  | { readonly kind: 'mapRequest'; readonly request: number; readonly digest: Digest }

/** What a publisher answers on a control stream. The payload of a `mapReply` is the map. */
export type PublisherMessage =
  | HelloMessage
  | { readonly kind: 'bitfield'; readonly follow: number; readonly bits: Uint8Array }
  | {
      readonly kind: 'have'
      readonly follow: number
      readonly chunks: readonly number[]
      readonly digests: readonly Uint8Array[]
    }
  | { readonly kind: 'peers'; readonly follow: number; readonly peers: readonly PeerRef[] }
  | { readonly kind: 'mapReply'; readonly request: number }
  | { readonly kind: 'gone'; readonly follow: number }

/** Asks for one chunk of a blob, or for any that the publisher thinks best. */
export interface WantMessage {
  readonly kind: 'want'
  readonly ref: BlobRef
  readonly chunk: number | 'any'
  readonly urgency: Urgency
  /** Fingerprint of the requester's layout; left out for the grid. */
  readonly layout?: string
}

/** What a requester says on a data lane: one want at a time, and `cancel` while it is outstanding. */
export type RequesterMessage = WantMessage | { readonly kind: 'cancel' }

/** What a server answers on a data lane, exactly once for each want. The payload of a `chunk` is its bytes. */
export type ServerMessage =
  | { readonly kind: 'chunk'; readonly chunk: number; readonly digest: Uint8Array }
  | { readonly kind: 'busy'; readonly waitMs: number; readonly alternates: readonly PeerRef[] }
  | { readonly kind: 'lacks' }
  | { readonly kind: 'cancelled' }

/** Everything that is said on an exchange stream. */
export type ExchangeMessage = FollowerMessage | PublisherMessage | RequesterMessage | ServerMessage
