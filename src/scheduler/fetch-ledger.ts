/** Where bytes came from, as people ask about it: a peer agent, a tracker, the origin, or the agent's own store. */
export type ByteSource = 'peers' | 'tracker' | 'origin' | 'store'

/** Verified bytes by source. `store` counts bytes read by clients that were held before they asked. */
export type BytesBySource = Readonly<Record<ByteSource, number>>

/** Adds up verified bytes by source, for one download or for the whole process. */
export class FetchLedger {
  readonly #bytes: Record<ByteSource, number> = { peers: 0, tracker: 0, origin: 0, store: 0 }

  add(source: ByteSource, bytes: number): void {
    this.#bytes[source] += bytes
  }

  get total(): BytesBySource {
    return { ...this.#bytes }
  }
}
