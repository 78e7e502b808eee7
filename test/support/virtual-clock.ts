import type { Clock, Timer } from '../../src/core/index.ts'

interface Pending {
  readonly dueMs: number
  readonly order: number
  readonly fire: () => void
  isCleared: boolean
}

/** A clock that only moves when told to. `advance` fires what falls due in order and lets promises settle between. */
export class VirtualClock implements Clock {
  #nowMs = 0
  #order = 0
  #pendingCount = 0
  /** Binary min-heap by due time, then by order of arrival; cleared entries leave when they reach the top. */
  readonly #heap: Pending[] = []

  now(): number {
    return this.#nowMs
  }

  wallTime(): number {
    return 1_700_000_000_000 + this.#nowMs
  }

  after(delayMs: number, fire: () => void): Timer {
    const entry: Pending = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fire, isCleared: false }
    this.#push(entry)
    this.#pendingCount++
    return {
      clear: () => {
        if (entry.isCleared) return
        entry.isCleared = true
        this.#pendingCount--
      },
    }
  }

  get pendingCount(): number {
    return this.#pendingCount
  }

  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs
    await settle()
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.dueMs > untilMs) break
      this.#pop()
      if (next.isCleared) continue
      next.isCleared = true
      this.#pendingCount--
      this.#nowMs = next.dueMs
      next.fire()
      // What falls due in the same instant fires before anyone reacts to it.
      if (this.#heap[0]?.dueMs !== next.dueMs) await settle()
    }
    this.#nowMs = untilMs
  }

  #push(entry: Pending): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isEarlier(entry, heap[parent] as Pending)) break
      heap[at] = heap[parent] as Pending
      at = parent
    }
    heap[at] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isEarlier(heap[child + 1] as Pending, heap[child] as Pending)) child++
      if (!isEarlier(heap[child] as Pending, last)) break
      heap[at] = heap[child] as Pending
      at = child
    }
    heap[at] = last
  }
}

function isEarlier(a: Pending, b: Pending): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)
}

/** Lets every promise that is ready run to its next wait. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}
