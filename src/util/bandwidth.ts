import type { AbortOptions } from '../core/index.ts'

/** Who waits for bytes, the most urgent first: a reader of just this range, a pull of a whole image, nobody. */
export const BANDWIDTH_CLASSES = ['lazy', 'pull', 'background'] as const

export type BandwidthClass = (typeof BANDWIDTH_CLASSES)[number]

/** Bytes per second, all classes together and each by itself; `Infinity` is no limit. */
export type BandwidthRates = Readonly<Record<'total' | BandwidthClass, number>>

/** The names of a `BandwidthRates`, in the order in which they are shown. */
export const RATE_NAMES = ['total', ...BANDWIDTH_CLASSES] as const

export const UNLIMITED: BandwidthRates = {
  total: Number.POSITIVE_INFINITY,
  lazy: Number.POSITIVE_INFINITY,
  pull: Number.POSITIVE_INFINITY,
  background: Number.POSITIVE_INFINITY,
}

/** A share of the bandwidth in one direction, as those who move bytes see it. */
export interface Bandwidth {
  /**
   * `undefined` when `bytes` may move at once, else what resolves when they may.
   * Rejects with the signal's reason, or with a `BandwidthBusyError` when too many wait.
   */
  take(bytes: number, bandwidthClass: BandwidthClass, options?: AbortOptions): Promise<void> | undefined
  /** Takes `bytes` if they may move at once; false, taking nothing, when they may not. */
  tryTake(bytes: number, bandwidthClass: BandwidthClass): boolean
  /** Gives back what was taken and did not move. */
  refund(bytes: number, bandwidthClass: BandwidthClass): void
  /** About how long whoever takes now would wait, in milliseconds. */
  waitMs(bandwidthClass: BandwidthClass): number
}
