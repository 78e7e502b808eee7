import type { Attempt } from './chunk-board.ts'
import type { PeerState } from './peer-state.ts'
import type { SchedulerSettings } from './settings.ts'

/** A chunk moves after this many times of what is usual. */
const STALL_FACTOR = 4

/** Chunks that may be asked for twice before any share of received bytes has built up a budget. */
const FREE_HEDGES = 4

/** What to do with a request that takes long: leave it, ask someone else besides, or end it and ask someone else. */
export type Verdict = 'leave' | 'hedge' | 'move'

/**
 * Judges one request. A source that delivered something since it was asked is slow; one that did not has stalled. In the
 * endgame, with nothing left to ask for, one that takes longer than usual is reason enough to ask someone else besides.
 */
export function judge(
  attempt: Attempt,
  source: PeerState | undefined,
  usualMs: number,
  nowMs: number,
  settings: SchedulerSettings,
  isEndgame = false,
): Verdict {
  const ageMs = nowMs - attempt.sinceMs
  if (ageMs < Math.max(settings.stallFloorMs, STALL_FACTOR * usualMs)) {
    return isEndgame && ageMs >= Math.max(settings.stallFloorMs, usualMs) ? 'hedge' : 'leave'
  }
  const isStalled = source !== undefined && source.lastHeardMs <= attempt.sinceMs
  return isStalled ? 'move' : 'hedge'
}

/** Bytes spent on asking twice, held to a share of what was received. */
export class HedgeBudget {
  readonly #share: number
  #receivedBytes = 0
  #hedgedBytes = 0

  constructor(share: number) {
    this.#share = share
  }

  received(bytes: number): void {
    this.#receivedBytes += bytes
  }

  /** Takes `bytes` from the budget; false, taking nothing, when it has no room for them. */
  take(bytes: number): boolean {
    const allowed = this.#receivedBytes * this.#share + FREE_HEDGES * bytes
    if (this.#hedgedBytes + bytes > allowed) return false
    this.#hedgedBytes += bytes
    return true
  }
}
