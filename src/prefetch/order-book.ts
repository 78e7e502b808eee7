import type { RunningOrder } from './running-order.ts'

/** Orders under way at once; each has a stream to a handful of peers, and two of them pull. */
const MAX_ORDERS = 16

/** Orders of one peer at once. A relay passes on those of several starters, and no peer may take all the room. */
const MAX_ORDERS_PER_PEER = 8

/** Ended orders that are remembered, so that a late messenger does not begin one anew. */
const MAX_ENDED = 512

/** Orders given here that are shown after they ended. */
const MAX_SHOWN = 8

/** The orders that this process has a part in, and the ids of those that ended lately. */
export class OrderBook {
  readonly #running = new Map<string, { readonly order: RunningOrder; readonly from: string | undefined }>()
  readonly #ended = new Set<string>()
  #shown: readonly RunningOrder[] = []

  get(id: string): RunningOrder | undefined {
    return this.#running.get(id)?.order
  }

  hasEnded(id: string): boolean {
    return this.#ended.has(id)
  }

  running(): RunningOrder[] {
    return [...this.#running.values()].map(({ order }) => order)
  }

  /** Those that run, and the last ones that were given here and ended. */
  all(): RunningOrder[] {
    return [...this.running(), ...this.#shown]
  }

  get size(): number {
    return this.#running.size
  }

  /** Whether there is room for one more from `peerId`, or from here when that is not said. */
  hasRoom(peerId: string | undefined): boolean {
    if (this.#running.size >= MAX_ORDERS) return false
    if (peerId === undefined) return true
    return [...this.#running.values()].filter(({ from }) => from === peerId).length < MAX_ORDERS_PER_PEER
  }

  add(order: RunningOrder, from: string | undefined): void {
    this.#running.set(order.order.id, { order, from })
  }

  /** Forgets the order but for its id. */
  end(id: string): void {
    const order = this.get(id)
    if (order?.isStarter === true) this.#shown = [order, ...this.#shown].slice(0, MAX_SHOWN)
    this.#running.delete(id)
    this.#ended.add(id)
    for (const oldest of this.#ended) {
      if (this.#ended.size <= MAX_ENDED) break
      this.#ended.delete(oldest)
    }
  }
}
