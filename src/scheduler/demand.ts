import type { ChunkLayout } from '../chunking/index.ts'
import type { SchedulerSettings } from './settings.ts'

/**
 * Why bytes are wanted: `range` a client waits for exactly these; `open` a client reads on from here and may stop at
 * any byte; `whole` a client reads it all; `background` nobody waits.
 */
export type DemandKind = 'range' | 'open' | 'whole' | 'background'

/** How pressing a chunk is, most pressing first. */
export type Urgency = 'range' | 'window' | 'bulk' | 'background'

/** How a request says it to the peer that is asked. */
export const WIRE_URGENCY = { range: 'now', window: 'soon', bulk: 'later', background: 'later' } as const

const RANK: Record<Urgency, number> = { range: 0, window: 1, bulk: 2, background: 3 }

/** Whether `a` presses more than `b`. */
export function isMorePressing(a: Urgency, b: Urgency): boolean {
  return RANK[a] < RANK[b]
}

/** Bytes [position, end) that one reader still wants of a blob; the position moves as it reads. */
export class Demand {
  readonly kind: DemandKind
  readonly end: number
  #position: number
  /** Since when the reader waits for the chunk at its position. */
  #waitingSinceMs: number | undefined

  constructor(kind: DemandKind, start: number, end: number) {
    this.kind = kind
    this.#position = start
    this.end = end
  }

  get position(): number {
    return this.#position
  }

  get isDone(): boolean {
    return this.#position >= this.end
  }

  advance(position: number): void {
    this.#position = position
    this.#waitingSinceMs = undefined
  }

  waits(nowMs: number): void {
    this.#waitingSinceMs ??= nowMs
  }

  /** The same reader, wanting no more than its window. */
  narrowed(): Demand {
    if (this.kind !== 'whole') return this
    const narrow = new Demand('open', this.#position, this.end)
    narrow.#waitingSinceMs = this.#waitingSinceMs
    return narrow
  }

  /** The urgency of chunk `chunk` to this reader, or `undefined` when it does not want it (yet). */
  urgencyOf(chunk: number, layout: ChunkLayout, nowMs: number, settings: SchedulerSettings): Urgency | undefined {
    if (this.isDone) return undefined
    const first = layout.offsetOf(chunk)
    if (first >= this.end || first + layout.lengthOf(chunk) <= this.#position) return undefined
    if (this.kind === 'range') return 'range'
    if (this.kind === 'background') return 'background'
    if (this.#isStarving(nowMs, settings) && first <= this.#position) return 'range'
    if (this.kind === 'open') return first < this.#position + settings.openWindowBytes ? 'window' : undefined
    return first < this.#position + settings.pullWindowBytes ? 'window' : 'bulk'
  }

  #isStarving(nowMs: number, settings: SchedulerSettings): boolean {
    return this.#waitingSinceMs !== undefined && nowMs - this.#waitingSinceMs >= settings.windowPatienceMs
  }
}

/** The same readers, each wanting no more than its window; those that wait for nothing want nothing. */
export function windowsOf(demands: Iterable<Demand>): Demand[] {
  return [...demands].filter(({ kind }) => kind !== 'background').map((demand) => demand.narrowed())
}

/** The most pressing urgency that any of `demands` gives `chunk`. */
export function urgencyAmong(
  demands: Iterable<Demand>,
  chunk: number,
  layout: ChunkLayout,
  nowMs: number,
  settings: SchedulerSettings,
): Urgency | undefined {
  let best: Urgency | undefined
  for (const demand of demands) {
    const urgency = demand.urgencyOf(chunk, layout, nowMs, settings)
    if (urgency !== undefined && (best === undefined || isMorePressing(urgency, best))) best = urgency
  }
  return best
}
