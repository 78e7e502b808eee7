import type { Attempt } from './chunk-board.ts'
import { HedgeBudget, judge } from './hedge.ts'
import { chooseHolder } from './holder-choice.ts'
import type { PeerState } from './peer-state.ts'
import type { PlanView } from './plan-view.ts'
import type { SchedulerSettings } from './settings.ts'
import { visitWanted } from './wanted.ts'

/** Weight of the newest service time in what is usual: follows a change of the whole swarm within some chunks. */
const EWMA_WEIGHT = 0.25

/** What to do about requests that take long. */
export interface StallActions {
  /** End this request; its chunk is planned anew, and its source rests. */
  move(attempt: Attempt, source: PeerState): void
  /** Ask `peer` for `chunk` as well. */
  hedge(peer: PeerState, chunk: number): void
}

/** Looks after the requests of one download: learns what is usual, moves what has stalled, hedges what is slow. */
export class StallWatch {
  readonly #settings: SchedulerSettings
  readonly #budget: HedgeBudget
  #usualMs: number

  constructor(settings: SchedulerSettings) {
    this.#settings = settings
    this.#budget = new HedgeBudget(settings.hedgeShare)
    this.#usualMs = settings.usualGuessMs
  }

  /** A request took this long. */
  tookMs(ms: number): void {
    this.#usualMs += EWMA_WEIGHT * (ms - this.#usualMs)
  }

  received(bytes: number): void {
    this.#budget.received(bytes)
  }

  /** Judges every request that is the only one for its chunk; `viewOf` is read anew for each hedge, since the last one changed it. */
  review(peerOf: (id: string) => PeerState | undefined, viewOf: () => PlanView, actions: StallActions): void {
    const view = viewOf()
    const { board, nowMs } = view
    const isEndgame = board.inFlightCount > 0 && !hasMore(view)
    for (const attempt of [...board.attempts()]) {
      const source = peerOf(attempt.sourceId)
      if (source === undefined || board.attemptsOn(attempt.chunk).length > 1) continue
      const verdict = judge(attempt, source, this.#usualMs, nowMs, this.#settings, isEndgame)
      if (verdict === 'move') actions.move(attempt, source)
      if (verdict !== 'hedge') continue
      const other = this.#otherFor(attempt.chunk, source, viewOf())
      if (other !== undefined) actions.hedge(other, attempt.chunk)
    }
  }

  #otherFor(chunk: number, slow: PeerState, view: PlanView): PeerState | undefined {
    const isFree = (peer: PeerState) =>
      peer !== slow && peer.restUntilMs <= view.nowMs && peer.inFlight < view.settings.depthPerPeer
    const other = chooseHolder(view, chunk, isFree)
    if (other === undefined || view.freeSlots <= 0) return undefined
    return this.#budget.take(view.layout.lengthOf(chunk)) ? other : undefined
  }
}

/** Whether a chunk is wanted that nobody was asked for yet. */
function hasMore(view: PlanView): boolean {
  let isFound = false
  const visit = () => (isFound = true)
  visitWanted(view, { takesOrphans: true, takesHeld: true, visit })
  return isFound
}
