import { type Demand, type Urgency, urgencyAmong } from './demand.ts'
import type { PlanView } from './plan-view.ts'

/** What is asked for in its order in the blob. */
const PRESSING: readonly Urgency[] = ['range', 'window', 'ahead', 'trace']

/** Most plans find all that presses asked for already. */
const NONE: ReadonlyMap<number, Urgency> = new Map()

/** What is made of wanted chunks, which come in their order. */
export interface WantedVisitor {
  /** One more chunk that no followed agent holds would be of use, as far as it is not asked for in its order. */
  readonly takesOrphans: boolean
  /** As `takesOrphans`, of a chunk that one holds. */
  readonly takesHeld: boolean
  /** Whether that was the last chunk of use. */
  visit(chunk: number, urgency: Urgency): boolean
}

/**
 * Visits missing chunks in the order in which they should be asked for: ranges, windows, what comes next, traces, then
 * rarest first. What is said to be of no use is left out of the latter.
 */
export function visitWanted(view: PlanView, visitor: WantedVisitor): void {
  const pressing = pressingChunks(view)
  if (pressing !== NONE) {
    for (const rank of PRESSING) {
      for (const [chunk, urgency] of pressing) if (urgency === rank && visitor.visit(chunk, urgency)) return
    }
  }
  if (!visitRarestFirst(view, 'bulk', pressing, visitor)) visitRarestFirst(view, 'background', pressing, visitor)
}

/** Neither held nor being fetched. */
export function isMissing(view: PlanView, chunk: number): boolean {
  return !view.board.isInFlight(chunk) && !view.isHeld(chunk)
}

function pressingChunks(view: PlanView): ReadonlyMap<number, Urgency> {
  let found: Map<number, Urgency> | undefined
  for (const demand of view.demands) {
    if (demand.isDone || demand.kind === 'background') continue
    for (let chunk = view.layout.chunkAt(demand.position); chunk < view.layout.chunkCount; chunk++) {
      const urgency = urgencyAmong(view.demands, chunk, view.layout, view.nowMs, view.settings)
      if (urgency === undefined || !PRESSING.includes(urgency)) break
      if (isMissing(view, chunk)) (found ??= new Map()).set(chunk, urgency)
    }
  }
  return found ?? NONE
}

/** Missing chunks with no known copy, then those with one, and so on; each group from a random place on. Whether the last chunk of use was among them. */
function visitRarestFirst(
  view: PlanView,
  rank: 'bulk' | 'background',
  pressing: ReadonlyMap<number, Urgency>,
  visitor: WantedVisitor,
): boolean {
  const kind = rank === 'bulk' ? 'whole' : 'background'
  const demands = view.demands.filter((demand) => demand.kind === kind && !demand.isDone)
  if (demands.length === 0) return false
  const { rarity } = view.board
  let copies = 0
  let isLast = false
  const isOfUse = () => (copies === 0 ? visitor.takesOrphans : visitor.takesHeld)
  const visit = (chunk: number) => {
    if (!isMissing(view, chunk) || pressing.has(chunk) || !isWanted(view, demands, chunk)) return false
    isLast = visitor.visit(chunk, rank)
    return isLast || !isOfUse()
  }
  for (; copies <= rarity.mostCopies && !isLast; copies++) {
    if (isOfUse()) rarity.visitGroup(copies, view.random, visit)
  }
  return isLast
}

function isWanted({ layout }: PlanView, demands: readonly Demand[], chunk: number): boolean {
  const start = layout.offsetOf(chunk)
  const end = start + layout.lengthOf(chunk)
  return demands.some((demand) => start < demand.end && end > demand.position)
}
