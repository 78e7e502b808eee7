import type { ChunkLayout } from '../chunking/index.ts'
import type { BandwidthClass } from '../util/index.ts'
import type { SchedulerSettings } from './settings.ts'

/**
 * Why bytes are wanted: `range` a client waits for exactly these; `open` a client reads on from here and may stop at
 * any byte; `ahead` a client will probably ask for these next; `trace` others read these when they started; `whole` a
 * client reads it all; `background` nobody waits.
 */
export type DemandKind = 'range' | 'open' | 'ahead' | 'trace' | 'whole' | 'background'

/** How pressing a chunk is, most pressing first. */
export type Urgency = 'range' | 'window' | 'ahead' | 'trace' | 'bulk' | 'background'

/** How a request says it to the peer that is asked. */
export const WIRE_URGENCY = {
  range: 'now',
  window: 'soon',
  ahead: 'soon',
  trace: 'later',
  bulk: 'later',
  background: 'idle',
} as const

/** As what a reader's bytes count under a limit. An open range is how containerd goes on with a pull that broke off. */
const BANDWIDTH_OF: Readonly<Record<DemandKind, BandwidthClass>> = {
  range: 'lazy',
  open: 'pull',
  ahead: 'lazy',
  // A hint that anybody in the cluster may have given is worth no more.
  trace: 'background',
  whole: 'pull',
  background: 'background',
}

/** What nobody waits for may have to leave all bandwidth to others for long; shorter than the two minutes that `shoal pull` is patient. */
const BACKGROUND_GIVE_UP_MS = 100_000

const RANK: Record<Urgency, number> = { range: 0, window: 1, ahead: 2, trace: 3, bulk: 4, background: 5 }

/** Whether `a` presses more than `b`. */
export function isMorePressing(a: Urgency, b: Urgency): boolean {
  return RANK[a] < RANK[b]
}

/**
 * Whether exactly this chunk is asked for, also of a tracker, which would else choose: a lazy reader takes a small part of
 * a layer, and what a tracker chooses it has fetched whole.
 */
export function isByNumber(urgency: Urgency): boolean {
  return urgency === 'range' || urgency === 'ahead' || urgency === 'trace'
}

/** Whether somebody waits for these bytes, or will when it has read on. */
export function hasReader(kind: DemandKind): boolean {
  return kind !== 'ahead' && kind !== 'trace' && kind !== 'background'
}

/** Bytes [position, end) that one reader still wants of a blob; the position moves as it reads. */
export class Demand {
  readonly kind: DemandKind
  readonly end: number
  readonly bandwidth: BandwidthClass
  #position: number
  /** Since when the reader waits for the chunk at its position. */
  #waitingSinceMs: number | undefined

  /** `bandwidth` where it is not that of its kind: a pull ahead of time wants the whole, and nobody waits for it. */
  constructor(kind: DemandKind, start: number, end: number, bandwidth: BandwidthClass = BANDWIDTH_OF[kind]) {
    this.kind = kind
    this.#position = start
    this.end = end
    this.bandwidth = bandwidth
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

  /** The same reader, wanting no more than the next `windowBytes`. */
  narrowed(windowBytes: number): Demand {
    const end = Math.min(this.end, this.#position + windowBytes)
    const narrow = new Demand(this.kind === 'whole' ? 'open' : this.kind, this.#position, end, this.bandwidth)
    narrow.#waitingSinceMs = this.#waitingSinceMs
    return narrow
  }

  /** The urgency of chunk `chunk` to this reader, or `undefined` when it does not want it (yet). */
  urgencyOf(chunk: number, layout: ChunkLayout, nowMs: number, settings: SchedulerSettings): Urgency | undefined {
    if (this.isDone) return undefined
    const first = layout.offsetOf(chunk)
    if (first >= this.end || first + layout.lengthOf(chunk) <= this.#position) return undefined
    if (this.kind === 'range') return 'range'
    if (this.kind === 'background' || this.kind === 'ahead' || this.kind === 'trace') return this.kind
    if (this.#isStarving(nowMs, settings) && first <= this.#position) return 'range'
    if (this.kind === 'open') return first < this.#position + settings.openWindowBytes ? 'window' : undefined
    return first < this.#position + settings.pullWindowBytes ? 'window' : 'bulk'
  }

  #isStarving(nowMs: number, settings: SchedulerSettings): boolean {
    return this.#waitingSinceMs !== undefined && nowMs - this.#waitingSinceMs >= settings.windowPatienceMs
  }
}

/** The same readers, each wanting no more than its window; those that wait for nothing want nothing. */
export function windowsOf(demands: Iterable<Demand>, windowBytes: number): Demand[] {
  return [...demands].filter(({ kind }) => hasReader(kind)).map((demand) => demand.narrowed(windowBytes))
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

/** As what `chunk` counts under a limit: the most urgent class of those of `demands` that want it. `any` is for none of those who know what they want. */
export function bandwidthAmong(
  demands: Iterable<Demand>,
  chunk: number | 'any',
  layout: ChunkLayout,
  nowMs: number,
  settings: SchedulerSettings,
): BandwidthClass {
  let best: BandwidthClass | undefined
  for (const demand of demands) {
    const isWanted =
      chunk === 'any'
        ? demand.kind !== 'range' && demand.kind !== 'ahead' && demand.kind !== 'trace'
        : demand.urgencyOf(chunk, layout, nowMs, settings) !== undefined
    if (!isWanted) continue
    if (demand.bandwidth === 'lazy') return 'lazy'
    if (best !== 'pull') best = demand.bandwidth
  }
  return best ?? 'pull'
}

/** How long a download with these readers may go without a chunk before they are failed. */
export function patienceOf(demands: Iterable<Demand>, settings: SchedulerSettings): number {
  for (const { bandwidth } of demands) if (bandwidth !== 'background') return settings.readerGiveUpMs
  return Math.max(BACKGROUND_GIVE_UP_MS, settings.readerGiveUpMs)
}
