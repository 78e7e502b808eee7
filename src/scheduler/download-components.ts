import type { AbortOptions, BlobRef, Clock, Random } from '../core/index.ts'
import type { SignedChunkMap } from '../chunking/index.ts'
import type { Logger } from '../telemetry/index.ts'
import type { Bandwidth } from '../util/index.ts'
import type { Buffers } from '../util/index.ts'
import type { ByteSource } from './fetch-ledger.ts'
import type { FreshChunks } from './fresh-chunks.ts'
import type { InFlightBudget } from './in-flight-budget.ts'
import type { OriginPace } from './origin-pace.ts'
import type { PeerState } from './peer-state.ts'
import type { ContentRouter, OriginSource, PeerNetwork, StoredBlob } from './ports.ts'
import type { TrackerHealth } from './tracker-health.ts'
import type { TransferWindow } from './transfer-window.ts'

export interface DownloadComponents {
  readonly network: PeerNetwork
  readonly router: ContentRouter
  readonly origin: OriginSource
  readonly budget: InFlightBudget
  readonly freshChunks: FreshChunks
  readonly window: TransferWindow
  readonly health: TrackerHealth
  readonly originPace: OriginPace
  /** What may be taken from peers and trackers; without one there is no limit. */
  readonly bandwidth?: Bandwidth | undefined
  readonly clock: Clock
  readonly random: Random
  /** For the chunks that the origin sends; without it each has a buffer of its own. */
  readonly buffers?: Buffers
  readonly logger: Logger
  /** sha256 of a chunk; the simulator brings a cheaper one. */
  readonly hash: (bytes: Uint8Array) => Uint8Array
  /** Whether a map signed by this PeerId is believed on its own. */
  readonly isTrustedSigner: (signer: string) => boolean
  /** The map to keep for a blob that was just verified: a tracker's if it has one, else one of our own making. */
  readonly makeMap: (
    blob: StoredBlob,
    tracker: PeerState | undefined,
    options: AbortOptions,
  ) => Promise<SignedChunkMap | undefined>
}

/** What the rest of the agent learns from downloads. */
export interface DownloadEvents {
  chunkHeld(ref: BlobRef, chunk: number, digest: Uint8Array, source: ByteSource, sizeBytes: number): void
  /** Verified bytes came from a peer that says it stands in `zone`. */
  receivedFrom(zone: string, sizeBytes: number): void
  completed(ref: BlobRef): void
  /** The whole was wrong, and everything of it is dropped. */
  corrupted(ref: BlobRef): void
}
