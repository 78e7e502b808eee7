import type { Clock, Timer } from '../core/index.ts'

/** Background work with one owner: everything started here is told to stop and waited for by `close`. */
export class TaskGroup {
  readonly #controller = new AbortController()
  readonly #running = new Set<Promise<void>>()
  readonly #timers = new Set<Timer>()

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Runs `work`, which handles its own failures, until it ends or the group closes. */
  run(work: (signal: AbortSignal) => Promise<void>): void {
    if (this.#controller.signal.aborted) return
    const running = work(this.#controller.signal).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Calls `fire` after `delayMs` unless the group closes first. */
  after(clock: Clock, delayMs: number, fire: () => void): void {
    if (this.#controller.signal.aborted) return
    const timer = clock.after(delayMs, () => {
      this.#timers.delete(timer)
      fire()
    })
    this.#timers.add(timer)
  }

  async close(): Promise<void> {
    this.#controller.abort()
    for (const timer of this.#timers) timer.clear()
    this.#timers.clear()
    await Promise.allSettled(this.#running)
  }
}
