import type { Clock } from '../core/index.ts'

/** A sleep that one other can cut short. */
export class Alarm {
  readonly #clock: Clock
  #wake: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Ends the sleep that may be under way. */
  ring(): void {
    this.#wake?.()
  }

  /** Resolves after `delayMs`, when it rings, or when `signal` fires. */
  async sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = Number.isFinite(delayMs) ? this.#clock.after(Math.max(0, delayMs), resolve) : undefined
    const wake = () => resolve()
    this.#wake = wake
    signal.addEventListener('abort', wake, { once: true })
    try {
      await promise
    } finally {
      this.#wake = undefined
      timer?.clear()
      signal.removeEventListener('abort', wake)
    }
  }
}
