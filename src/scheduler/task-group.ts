import type { Clock, Timer } from '../core/index.ts'

/** Background work with one owner: everything started here is told to stop and waited for by `close`. */
export class TaskGroup {
  readonly #controller = new AbortController()
  readonly #timers = new Set<Timer>()
  readonly #idle = Promise.withResolvers<void>()
  #running = 0
  readonly #ended = (): void => {
    this.#running--
    if (this.#running === 0 && this.#controller.signal.aborted) this.#idle.resolve()
  }
  readonly #failed = (error: unknown): never => {
    this.#ended()
    // Work that does not handle its own failures is broken, and nobody else hears of it.
    throw error
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Runs `work`, which handles its own failures, until it ends or the group closes. */
  run(work: (signal: AbortSignal) => Promise<void>): void {
    if (this.#controller.signal.aborted) return
    this.#running++
    work(this.#controller.signal).then(this.#ended, this.#failed)
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
    if (this.#running === 0) this.#idle.resolve()
    await this.#idle.promise
  }
}
