import type { SignedChunkMap } from '../chunking/index.ts'
import type { AbortOptions, BlobRef, OriginGrant, PeerRef, PeerRole } from '../core/index.ts'
import type { Lease } from '../util/index.ts'
import type { Urgency } from './messages.ts'

/** What one peer says about one blob, from the moment it is followed. */
export interface FollowEvents {
  /** The chunks it holds, as a whole; bit i of byte i >> 3 from the most significant, exactly as long as the blob needs. */
  onBitfield(bits: Uint8Array): void
  /** More chunks it holds, all within the blob, and the raw sha256 it says each has. */
  onHave(chunks: readonly number[], digests: readonly Uint8Array[]): void
  /** Other peers of the same blob. */
  onPeers(peers: readonly PeerRef[]): void
  /** Nothing more will come; called once, also when the peer never heard of the blob or refused. */
  onClosed(): void
}

/** A chunk off the wire, of the right length but not verified. The receiver gives the payload back. */
export interface ReceivedChunk {
  readonly chunk: number
  readonly payload: Lease
  /** The raw sha256 that the sender says it has. */
  readonly digest: Uint8Array
}

export interface RequestOptions extends AbortOptions {
  /** `soon` unless said. */
  readonly urgency?: Urgency
}

/** One blob followed at one peer. */
export interface Following {
  /**
   * Asks for one chunk, or for `'any'` that the peer thinks best. Throws `PeerBusyError`, `PeerLacksChunkError`,
   * `PeerStalledError`, `PeerClosedError`, `PeerProtocolError`, or the signal's reason.
   */
  request(chunk: number | 'any', options: RequestOptions): Promise<ReceivedChunk>
  /** The peer's signed map of the blob, its signature checked; `undefined` when it has none. Throws as `request` does. */
  requestMap(options: AbortOptions): Promise<SignedChunkMap | undefined>
  /** Stops following; requests under way are not cancelled. */
  close(): void
}

/** A connected peer whose control stream is up. */
export interface PeerLink {
  readonly id: string
  /** What the peer says of itself; whether a tracker is believed is decided by its id. */
  readonly role: PeerRole
  readonly zone: string
  readonly isClosed: boolean
  follow(ref: BlobRef, origins: readonly OriginGrant[], events: FollowEvents): Following
  /** Ends the control stream and all lanes; everything followed hears `onClosed`. */
  close(): void
}
