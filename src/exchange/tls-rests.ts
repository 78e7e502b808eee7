import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/index.ts'

export interface TlsRestsInit {
  readonly firstRestMs: number
  readonly maxRestMs: number
}

/** Peers whose bulk port could not be reached: as many as the largest cluster has nodes; a few hundred bytes each. */
const MAX_REMEMBERED = 8192

interface Rest {
  readonly port: number
  readonly failures: number
  readonly untilMs: number
}

/** Remembers whose bulk port could not be reached, and leaves it alone for a time that doubles with each failure in a row. */
export class TlsRests {
  readonly #init: TlsRestsInit
  readonly #clock: Clock
  readonly #restsByPeer = new LRUCache<string, Rest>({ max: MAX_REMEMBERED })

  constructor(init: TlsRestsInit, clock: Clock) {
    this.#init = init
    this.#clock = clock
  }

  /** Whether the port is left alone now. A peer that has come back with another port starts afresh. */
  isResting(peerId: string, port: number): boolean {
    const rest = this.#restsByPeer.get(peerId)
    return rest !== undefined && rest.port === port && this.#clock.now() < rest.untilMs
  }

  /** Lanes that failed together are one failure. */
  failed(peerId: string, port: number): void {
    if (this.isResting(peerId, port)) return
    const known = this.#restsByPeer.get(peerId)
    const failures = known?.port === port ? known.failures + 1 : 1
    const restMs = Math.min(this.#init.maxRestMs, this.#init.firstRestMs * 2 ** (failures - 1))
    this.#restsByPeer.set(peerId, { port, failures, untilMs: this.#clock.now() + restMs })
  }

  reached(peerId: string): void {
    this.#restsByPeer.delete(peerId)
  }
}
