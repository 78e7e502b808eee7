import { type Demand, type Urgency, urgencyAmong } from './demand.ts'
import type { PlanView } from './plan-view.ts'

/** What is asked for in its order in the blob. */
const PRESSING: readonly Urgency[] = ['range', 'window', 'ahead', 'trace']

export interface WantedChunk {
  readonly chunk: number
  readonly urgency: Urgency
}

/**
 * Missing chunks in the order in which they should be asked for: ranges, windows, what comes next, traces, then rarest
 * first. Those that no followed agent holds are left out of the latter when `areOrphansOfUse` says so.
 */
export function* wantedInOrder(view: PlanView, areOrphansOfUse: () => boolean = () => true): Generator<WantedChunk> {
  const pressing = pressingChunks(view)
  for (const rank of PRESSING) {
    for (const wanted of pressing.values()) if (wanted.urgency === rank) yield wanted
  }
  for (const urgency of ['bulk', 'background'] as const) {
    for (const chunk of rarestFirst(view, urgency, areOrphansOfUse)) if (!pressing.has(chunk)) yield { chunk, urgency }
  }
}

/** Neither held nor being fetched. */
export function isMissing(view: PlanView, chunk: number): boolean {
  return !view.isHeld(chunk) && !view.board.isInFlight(chunk)
}

function pressingChunks(view: PlanView): Map<number, WantedChunk> {
  const found = new Map<number, WantedChunk>()
  for (const demand of view.demands) {
    if (demand.isDone || demand.kind === 'background') continue
    for (let chunk = view.layout.chunkAt(demand.position); chunk < view.layout.chunkCount; chunk++) {
      const urgency = urgencyAmong(view.demands, chunk, view.layout, view.nowMs, view.settings)
      if (urgency === undefined || !PRESSING.includes(urgency)) break
      if (isMissing(view, chunk)) found.set(chunk, { chunk, urgency })
    }
  }
  return found
}

/** Missing chunks with no known copy, then those with one, and so on; each group from a random place on. */
function* rarestFirst(view: PlanView, rank: 'bulk' | 'background', areOrphansOfUse: () => boolean): Generator<number> {
  const kind = rank === 'bulk' ? 'whole' : 'background'
  const demands = view.demands.filter((demand) => demand.kind === kind && !demand.isDone)
  if (demands.length === 0) return
  const { rarity } = view.board
  for (let copies = 0; copies <= rarity.mostCopies; copies++) {
    for (const chunk of rarity.group(copies, view.random)) {
      if (copies === 0 && !areOrphansOfUse()) break
      if (isMissing(view, chunk) && isWanted(view, demands, chunk)) yield chunk
    }
  }
}

function isWanted({ layout }: PlanView, demands: readonly Demand[], chunk: number): boolean {
  const start = layout.offsetOf(chunk)
  const end = start + layout.lengthOf(chunk)
  return demands.some((demand) => start < demand.end && end > demand.position)
}
