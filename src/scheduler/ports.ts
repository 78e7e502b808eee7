import type { ChunkLayout, SignedChunkMap } from '../chunking/index.ts'
import type { AbortOptions, BlobRef, Digest, OriginGrant, OriginRef, PeerRef, PeerRole } from '../core/index.ts'
import type { BandwidthClass, Lease } from '../util/index.ts'

/**
 * What the scheduler needs of the rest of the agent. The store, the exchange, discovery and the origin client satisfy
 * these by shape; the simulator and the tests bring their own.
 */

/** One blob in the store, pinned (never evicted) until `release`. */
export interface StoredBlob {
  readonly ref: BlobRef
  readonly layout: ChunkLayout
  readonly heldCount: number
  /** All chunks are held and the sha256 of the whole blob was checked. */
  readonly isComplete: boolean
  readonly map: SignedChunkMap | undefined
  has(chunk: number): boolean
  /** sha256 of a held chunk. */
  digestAt(chunk: number): Uint8Array | undefined
  /** Stores bytes the caller has verified to have `chunkDigest`; the chunk counts as held once this resolves. Does not keep `bytes`. */
  write(chunk: number, bytes: Uint8Array, chunkDigest: Uint8Array): Promise<void>
  /** Bytes [offset, offset + length) of held chunks, which the caller gives back. */
  lend(offset: number, length: number, options?: AbortOptions): Promise<Lease>
  /** Whether a chunk with this digest could be taken over now, as far as memory tells. */
  canAdopt(chunkDigest: Uint8Array): boolean
  /** Takes over a chunk that another blob already holds under `chunkDigest`; false when none does. */
  adopt(chunk: number, chunkDigest: Uint8Array): Promise<boolean>
  setMap(map: SignedChunkMap): Promise<void>
  /** Hashes the whole blob off the main thread; true completes it, false drops every chunk and the map. */
  verifyWhole(options?: AbortOptions): Promise<boolean>
  release(): void
}

export interface ChunkStore {
  /** Opens the blob, creating it empty where it is new. Throws a retryable `local` error when there is no room. */
  open(ref: BlobRef, options?: AbortOptions): Promise<StoredBlob>
}

/** What one peer says about one blob, from the moment it is followed. */
export interface FollowEvents {
  /** The chunks it holds, as a whole; bit i of byte i >> 3 from the most significant. */
  onBitfield(bits: Uint8Array): void
  /** More chunks it holds. `digests[i]` (32 bytes) is what it says of `chunks[i]`; trusted only from a tracker. */
  onHave(chunks: readonly number[], digests: readonly Uint8Array[]): void
  /** Other peers of the same blob. */
  onPeers(peers: readonly PeerRef[]): void
  /** Nothing more will come; called once, also when the peer never heard of the blob or refused. */
  onClosed(): void
}

/** A chunk off the wire, not verified. The receiver gives the payload back. */
export interface ReceivedChunk {
  readonly chunk: number
  readonly payload: Lease
  /** What the sender says the digest is; trusted only from a tracker. */
  readonly digest: Uint8Array
}

export interface ChunkRequestOptions extends AbortOptions {
  /** Which wants the peer is to serve first when it has more than it can send. */
  readonly urgency?: 'now' | 'soon' | 'later' | 'idle'
}

/** One blob followed at one peer. */
export interface Following {
  /**
   * Asks for one chunk, or, of a tracker, for `'any'` that it thinks best for us to have and to pass on.
   * Throws `PeerBusyError` (waitMs, alternates), `PeerLacksChunkError`, or another error with blame `peer`.
   */
  request(chunk: number | 'any', options: ChunkRequestOptions): Promise<ReceivedChunk>
  /** Its signed chunk map, when it has one. The signature was checked; whether the signer is trusted is ours to say. */
  requestMap(options: AbortOptions): Promise<SignedChunkMap | undefined>
  close(): void
}

export interface PeerLink {
  readonly id: string
  readonly role: PeerRole
  /** Where it says it stands; '' when it does not say. */
  readonly zone: string
  /** Begins to follow `ref`. Where it may be had, and with whose rights, is for a tracker, which fetches on our behalf. */
  follow(ref: BlobRef, origins: readonly OriginGrant[], events: FollowEvents): Following
}

export interface PeerNetwork {
  /** Connects or returns the link that is up. Bounded by its own dial timeout besides the signal. */
  connect(peer: PeerRef, options: AbortOptions): Promise<PeerLink>
  /** The configured trackers, connected or not. */
  trackers(): readonly PeerRef[]
  /** Agents that are connected, whatever they hold: where a wave without a tracker finds its members. */
  neighbours(): readonly PeerRef[]
  /** The peer sent bytes that were not what it said: it is refused for a time that grows with each offence. */
  punish(peerId: string, reason: string): void
}

export interface ContentRouter {
  /** Peers that hold or are fetching `digest`, as they are found; ends when the walk is over. */
  findPeers(digest: Digest, options: AbortOptions): AsyncIterable<PeerRef>
  /** Says that this agent has some of `digest`; returns at once, the work is done later and repeated. */
  provide(digest: Digest): void
  /** A peer that was named could not be reached: it is not named again for a while. */
  reportDead?(digest: Digest, peerId: string): void
}

/** Where and with whose rights the origin may be asked for a blob. */
export interface OriginAccess {
  readonly origins: readonly OriginRef[]
  /** The client's own Authorization header, passed on when it had one; belongs to the first of `origins`. */
  readonly authorization?: string | undefined
}

export interface OriginReadOptions extends AbortOptions {
  /** As what the next bytes count where reading is limited; looked at for every piece, since a reader who waits may join. */
  readonly bandwidthClass?: (() => BandwidthClass) | undefined
}

export interface OriginSource {
  /**
   * Bytes [start, end) of the blob in order, exactly end - start of them, resumed and retried inside.
   * Throws an error with blame `origin` when it gives up.
   */
  readBlob(
    ref: BlobRef,
    access: OriginAccess,
    range: { start: number; end: number },
    options: OriginReadOptions,
  ): AsyncIterable<Uint8Array>
}
