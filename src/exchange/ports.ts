import type { AbortOptions, BlobRef, Digest, OriginGrant, PeerRef, PeerRole } from '../core/index.ts'
import type { Lease } from '../util/index.ts'
import type { Urgency } from './messages.ts'

/** A connected peer and what it says it is. */
export interface RemotePeer extends PeerRef {
  readonly role: PeerRole
  readonly zone: string
}

/** The way to tell one follower about one blob. Nothing is sent after `gone` or after the follower left. */
export interface Publisher {
  /** All chunks held, bit i of byte i >> 3 from the most significant; copied. */
  bitfield(bits: Uint8Array): void
  /** More chunks held, with their raw sha256; several calls are told together. */
  have(chunks: readonly number[], digests: readonly Uint8Array[]): void
  /** Other peers of the blob. */
  peers(peers: readonly PeerRef[]): void
  /** Nothing more will be told. */
  gone(): void
}

/** One follower's interest in one blob; closed once, when it or we leave. */
export interface Subscription {
  close(): void
}

/** A chunk to be sent. */
export interface SuppliedChunk {
  readonly chunk: number
  /**
   * The chunk, never changed; or a function called once an upload slot is free, so that waiting wants hold no bytes, and what
   * it gives is given back when it is sent.
   */
  readonly bytes: Uint8Array | ((options: AbortOptions) => Promise<Lease>)
  /** Its raw sha256. */
  readonly digest: Uint8Array
}

/** Not now: ask again after `busyMs`, or ask one of `alternates`. */
export interface SupplyBusy {
  readonly busyMs: number
  readonly alternates: readonly PeerRef[]
}

/** What this process has to give; the agent and the tracker each bring their own. */
export interface ChunkSupply {
  /**
   * Begins to tell `publisher` about a blob, which the follower has cut as `layout` (a fingerprint) says; `undefined` when it is
   * unknown here, cut in another way, or refused. `publisher` may be called during this call.
   */
  follow(
    peer: RemotePeer,
    ref: BlobRef,
    origins: readonly OriginGrant[],
    publisher: Publisher,
    layout: string,
  ): Subscription | undefined
  /** A verified chunk of `ref`. `'any'` leaves the choice here and may wait until there is one, as long as the signal lets it. */
  read(
    peerId: string,
    ref: BlobRef,
    chunk: number | 'any',
    urgency: Urgency,
    options: AbortOptions,
  ): Promise<SuppliedChunk | 'lacks' | SupplyBusy>
  /** Other peers to ask when all upload slots are taken. */
  alternates?(peerId: string, ref: BlobRef): readonly PeerRef[]
  /** The encoded signed chunk map of a blob. */
  map(digest: Digest): Uint8Array | undefined | Promise<Uint8Array | undefined>
  /** A peer holds some of each of `digests`, or no longer any of them. */
  announced(peer: RemotePeer, digests: readonly Digest[], isHeld: boolean): void
  /** A peer's control stream has ended; what it announced may be out of date from now on. */
  departed?(peerId: string): void
}
