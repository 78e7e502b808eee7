import type { ChunkLayout } from '../chunking/index.ts'
import type { AbortOptions, BlobRef, OriginGrant } from '../core/index.ts'
import type { TocAnchor } from '../oci/index.ts'

/** The question how a blob is cut, and all that one needs who has to find out. */
export interface LayoutQuestion {
  readonly ref: BlobRef
  readonly anchor: TocAnchor
  /** Where it may be had, and with whose rights; only trackers are told of rights. */
  readonly origins: readonly OriginGrant[]
}

/** Asks peers how a blob is cut. Whoever fails or does not know is left out; bounded in time by the signal. */
export interface LayoutPeers {
  /** The first tracker's answer; `undefined` when there is none. */
  ofTrackers(question: LayoutQuestion, options: AbortOptions): Promise<ChunkLayout | undefined>
  /** What connected agents say that hold some of it. */
  ofAgents(question: LayoutQuestion, options: AbortOptions): AsyncIterable<ChunkLayout>
}
