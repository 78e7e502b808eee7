import { LRUCache } from 'lru-cache'
import type { Clock, Digest } from '../core/index.ts'

/** Reports kept: a few stale providers each of every layer in use. */
const MAX_REPORTS = 4096

/** How long a report holds: long enough to spare many walks' dials, short enough that a peer that came back is used within minutes. */
export const REPORT_LIFE_MS = 5 * 60_000

/** Providers that turned out to be gone or to have nothing: the DHT repeats its records up to an hour after they are false. */
export class DeadProviders {
  readonly #clock: Clock
  readonly #untilMs = new LRUCache<string, number>({ max: MAX_REPORTS })

  constructor(clock: Clock) {
    this.#clock = clock
  }

  report(digest: Digest, peerId: string): void {
    this.#untilMs.set(`${digest} ${peerId}`, this.#clock.now() + REPORT_LIFE_MS)
  }

  has(digest: Digest, peerId: string): boolean {
    const untilMs = this.#untilMs.get(`${digest} ${peerId}`)
    return untilMs !== undefined && this.#clock.now() < untilMs
  }
}
