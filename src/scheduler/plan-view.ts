import type { ChunkLayout } from '../chunking/index.ts'
import type { Random } from '../core/index.ts'
import type { ChunkBoard } from './chunk-board.ts'
import type { Demand } from './demand.ts'
import type { DigestTrust } from './digest-trust.ts'
import type { PeerState } from './peer-state.ts'
import type { SchedulerSettings } from './settings.ts'

/** Everything a plan is made from. Reading it changes nothing. */
export interface PlanView {
  readonly nowMs: number
  readonly layout: ChunkLayout
  readonly board: ChunkBoard
  readonly trust: DigestTrust
  readonly demands: readonly Demand[]
  readonly agents: readonly PeerState[]
  /** The tracker that has origin duty for this blob and can do it. */
  readonly duty: PeerState | undefined
  /** Whether enough is known of the swarm to call a chunk nobody's. */
  readonly isSettled: boolean
  /** Whether it is about to be known which chunks the store has under other blobs: what nobody is known to hold may be one of them. */
  readonly isTakingStock: boolean
  /** Whether the first word of a tracker is still awaited. */
  readonly isTrackerPending: boolean
  /** Without a tracker: the agent whose duty `chunk` is, `undefined` when it is our own. */
  dutyHolder(chunk: number): PeerState | undefined
  /** The near agent that is to fetch `chunk`, which no near one has, from another zone; `undefined` when that is us. */
  crossingHolder(chunk: number): PeerState | undefined
  /** Chunks that one origin read may cover. */
  readonly originRunChunks: number
  /** Whether the origin may be read by this agent itself, should nobody else have duty. */
  readonly mayReadOrigin: boolean
  /** Origin reads under way. */
  readonly originReads: number
  /** Requests that may be added in all. */
  readonly freeSlots: number
  /** Chunks that agents may be asked for besides, as far as nobody waits for exactly these. */
  readonly roomInWindow: number
  readonly settings: SchedulerSettings
  readonly random: Random
  isHeld(chunk: number): boolean
}

export type Action =
  | { readonly kind: 'ask'; readonly peer: PeerState; readonly chunk: number }
  | { readonly kind: 'ask-any'; readonly peer: PeerState }
  | { readonly kind: 'read-origin'; readonly start: number; readonly count: number }
