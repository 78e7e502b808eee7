import { LRUCache } from 'lru-cache'

/** Agents whose last turn is remembered: more than ever wait at one tracker at a time. */
const MAX_REMEMBERED = 20_000

/**
 * When each agent was last handed a chunk of any blob. Layers of one image are asked for by the same agents in the same
 * order: without a common count the first chunk of each would go to the same agent, and only its uplink would be at work.
 */
export class Turns {
  readonly #lastTurns = new LRUCache<string, number>({ max: MAX_REMEMBERED })
  #turn = 0

  took(peerId: string): void {
    this.#lastTurns.set(peerId, ++this.#turn)
  }

  /** The number of its last turn, higher for later ones; 0 when it had none. */
  of(peerId: string): number {
    return this.#lastTurns.get(peerId) ?? 0
  }
}
