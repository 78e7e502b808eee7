import type { RunningOrder } from './running-order.ts'

/** Orders under way at once; each has a stream to a handful of peers, and two of them pull. */
const MAX_ORDERS = 16

/** Orders of one peer at once. A relay passes on those of several starters, and no peer may take all the room. */
const MAX_ORDERS_PER_PEER = 8

/** Orders whose outcome is kept for a while. */
const MAX_OVER = 64

/** Ended orders that are remembered, so that a late messenger does not begin one anew. */
const MAX_ENDED = 512

/** Orders given here that are shown after they ended. */
const MAX_SHOWN = 8

/** The orders that this process has a part in, and the ids of those that ended lately. */
export class OrderBook {
  readonly #known = new Map<string, { readonly order: RunningOrder; readonly from: string | undefined }>()
  readonly #ended = new Set<string>()
  #shown: readonly RunningOrder[] = []

  get(id: string): RunningOrder | undefined {
    return this.#known.get(id)?.order
  }

  hasEnded(id: string): boolean {
    return this.#ended.has(id)
  }

  /** Those whose outcome may still be asked for, and those under way. */
  running(): RunningOrder[] {
    return [...this.#known.values()].map(({ order }) => order)
  }

  /** Those that run, and the last ones that were given here and ended. */
  all(): RunningOrder[] {
    return [...this.running(), ...this.#shown]
  }

  /** Orders that something is still done for. */
  get size(): number {
    return this.#underWay().length
  }

  /** Whether there is room for one more from `peerId`, or from here when that is not said. */
  hasRoom(peerId: string | undefined): boolean {
    const underWay = this.#underWay()
    if (underWay.length >= MAX_ORDERS) return false
    return peerId === undefined || underWay.filter(({ from }) => from === peerId).length < MAX_ORDERS_PER_PEER
  }

  add(order: RunningOrder, from: string | undefined): void {
    this.#known.set(order.order.id, { order, from })
    const over = this.running().filter(({ isOver }) => isOver)
    for (const oldest of over.slice(0, Math.max(0, over.length - MAX_OVER))) this.end(oldest.order.id)
  }

  /** Forgets the order but for its id. */
  end(id: string): void {
    const order = this.get(id)
    if (order?.isStarter === true) this.#shown = [order, ...this.#shown].slice(0, MAX_SHOWN)
    this.#known.delete(id)
    this.#ended.add(id)
    for (const oldest of this.#ended) {
      if (this.#ended.size <= MAX_ENDED) break
      this.#ended.delete(oldest)
    }
  }

  #underWay() {
    return [...this.#known.values()].filter(({ order }) => !order.isOver)
  }
}
