import type { Clock } from '../core/index.ts'

/** Seconds of the steady rate that may come at once: a follower opens a whole image in one burst. */
const BURST_SECONDS = 10

/** A token bucket: `perSecond` events a second in the long run, ten times that in a burst. */
export class RateLimit {
  readonly #clock: Clock
  readonly #perSecond: number
  #tokens: number
  #filledAtMs: number

  constructor(perSecond: number, clock: Clock) {
    this.#clock = clock
    this.#perSecond = perSecond
    this.#tokens = perSecond * BURST_SECONDS
    this.#filledAtMs = clock.now()
  }

  /** Counts one event; false when it is one too many. */
  take(): boolean {
    const nowMs = this.#clock.now()
    const gained = ((nowMs - this.#filledAtMs) / 1000) * this.#perSecond
    this.#tokens = Math.min(this.#perSecond * BURST_SECONDS, this.#tokens + gained)
    this.#filledAtMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
