import { type Demand, type Urgency, urgencyAmong } from './demand.ts'
import type { PlanView } from './plan-view.ts'

/** What is asked for in its order in the blob. */
const PRESSING: readonly Urgency[] = ['range', 'window', 'ahead', 'trace']

/** Missing chunks looked at for one choice of the rarest; a sample this large finds a rare one and stays cheap. */
const RAREST_SAMPLE = 256

export interface WantedChunk {
  readonly chunk: number
  readonly urgency: Urgency
}

/** Missing chunks in the order in which they should be asked for: ranges, windows, what comes next, traces, then rarest first. */
export function* wantedInOrder(view: PlanView): Iterable<WantedChunk> {
  const pressing = pressingChunks(view)
  for (const rank of PRESSING) {
    for (const wanted of pressing.values()) if (wanted.urgency === rank) yield wanted
  }
  for (const rank of ['bulk', 'background'] as const) {
    for (const bucket of rarestOf(view, rank, pressing)) {
      for (const chunk of bucket ?? []) yield { chunk, urgency: rank }
    }
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

/** A sample of the missing chunks, those with no known copy first, then those with one, and so on; each group in a random order. */
function rarestOf(
  view: PlanView,
  rank: 'bulk' | 'background',
  skip: ReadonlyMap<number, WantedChunk>,
): readonly (readonly number[] | undefined)[] {
  const kind = rank === 'bulk' ? 'whole' : 'background'
  const demands = view.demands.filter((demand) => demand.kind === kind && !demand.isDone)
  const byCopies: number[][] = []
  if (demands.length === 0) return byCopies
  const { layout, board, random } = view
  const { chunkCount } = layout
  const stride = strideOver(chunkCount, random)
  let chunk = Math.floor(random() * chunkCount)
  let sampled = 0
  for (let step = 0; step < chunkCount && sampled < RAREST_SAMPLE; step++, chunk = (chunk + stride) % chunkCount) {
    if (!isMissing(view, chunk) || skip.has(chunk) || !isWanted(view, demands, chunk)) continue
    const copies = board.copiesOf(chunk)
    const bucket = byCopies[copies]
    if (bucket === undefined) byCopies[copies] = [chunk]
    else bucket.push(chunk)
    sampled++
  }
  return byCopies
}

function isWanted({ layout }: PlanView, demands: readonly Demand[], chunk: number): boolean {
  const start = layout.offsetOf(chunk)
  const end = start + layout.lengthOf(chunk)
  return demands.some((demand) => start < demand.end && end > demand.position)
}

/** A random step that comes by every one of `count` before it comes by one again: it has no divisor in common with it. */
function strideOver(count: number, random: () => number): number {
  let stride = 1 + Math.floor(random() * count)
  while (greatestCommonDivisor(stride, count) !== 1) stride++
  return stride
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
