import type { Clock } from '../core/index.ts'

/** A second's worth may go at once, since a pull begins with a burst: index, manifest, config, layers. */
const BURST_MS = 1_000

/** Allows `ratePerSecond` requests a second on average, in bursts of up to a second's worth (the generic cell rate algorithm). */
export class TokenBucket {
  readonly #clock: Clock
  readonly #intervalMs: number
  /** When the bucket would be full again. */
  #fullAtMs = Number.NEGATIVE_INFINITY

  /** An `undefined` rate allows everything. */
  constructor(ratePerSecond: number | undefined, clock: Clock) {
    this.#intervalMs = ratePerSecond === undefined ? 0 : 1000 / ratePerSecond
    this.#clock = clock
  }

  /** Milliseconds until the next request may go. */
  get waitMs(): number {
    const burstMs = Math.max(0, BURST_MS - this.#intervalMs)
    return Math.max(0, this.#fullAtMs - burstMs - this.#clock.now())
  }

  /** Counts one request. */
  take(): void {
    this.#fullAtMs = Math.max(this.#fullAtMs, this.#clock.now()) + this.#intervalMs
  }
}
