import { LRUCache } from 'lru-cache'

export interface OffendersInit {
  readonly firstBanMs: number
  readonly maxBanMs: number
}

/** Peers whose past is remembered: as many as the largest cluster has nodes; a few hundred bytes each. */
const MAX_REMEMBERED = 8192

/** Remembers how often each peer broke the protocol and says how long it is to be kept away: twice as long each time. */
export class Offenders {
  readonly #init: OffendersInit
  readonly #strikesByPeer = new LRUCache<string, number>({ max: MAX_REMEMBERED })

  constructor(init: OffendersInit) {
    this.#init = init
  }

  /** Counts one more offence and returns the length of its ban in milliseconds. */
  strike(peerId: string): number {
    const strikes = this.#strikesByPeer.get(peerId) ?? 0
    this.#strikesByPeer.set(peerId, strikes + 1)
    return Math.min(this.#init.maxBanMs, this.#init.firstBanMs * 2 ** strikes)
  }
}
