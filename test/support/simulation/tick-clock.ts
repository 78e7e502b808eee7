import type { Clock, Timer } from '../../../src/core/index.ts'

/** Virtual time that moves when it is told to. */
export interface SteppedClock extends Clock {
  advance(byMs: number): Promise<void>
}

class Pending implements Timer {
  fire: (() => void) | undefined

  constructor(fire: () => void) {
    this.fire = fire
  }

  clear(): void {
    this.fire = undefined
  }
}

/** What is due in most milliseconds of a small run. */
const NOTHING_DUE: readonly Pending[] = []

/**
 * A virtual clock of whole milliseconds for simulations of thousands of nodes: a timer fires at the end of the
 * millisecond in which it falls due, and promises settle once a millisecond instead of once an event. Every wait is
 * rounded up, so that what is measured errs on the slow side.
 */
export class TickClock implements SteppedClock {
  #nowMs = 0
  readonly #due = new Map<number, Pending[]>()

  now(): number {
    return this.#nowMs
  }

  wallTime(): number {
    return 1_700_000_000_000 + this.#nowMs
  }

  after(delayMs: number, fire: () => void): Timer {
    const entry = new Pending(fire)
    // What is due now fires with the next millisecond: a millisecond under way fires only what it began with.
    const dueMs = Math.max(this.#nowMs + 1, Math.ceil(this.#nowMs + delayMs))
    const bucket = this.#due.get(dueMs)
    if (bucket === undefined) this.#due.set(dueMs, [entry])
    else bucket.push(entry)
    return entry
  }

  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs
    await settle()
    while (this.#nowMs < untilMs) {
      this.#nowMs++
      const bucket = this.#due.get(this.#nowMs) ?? NOTHING_DUE
      if (bucket.length === 0) continue
      this.#due.delete(this.#nowMs)
      for (const entry of bucket) entry.fire?.()
      await settle()
    }
  }
}

async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}
