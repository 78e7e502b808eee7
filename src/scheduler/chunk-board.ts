import { RarityOrder } from './rarity-order.ts'

/** One request for one chunk: from whom, since when, and how to end it. */
export interface Attempt {
  readonly chunk: number
  readonly sourceId: string
  readonly sinceMs: number
  readonly controller: AbortController
}

/** Source id of the origin on the board; peers stand under their PeerId. */
export const ORIGIN = 'origin'

/**
 * Who is fetching what in one download, and how many agents hold each chunk.
 * A chunk is `missing` (no attempt, not held), `in flight` (one or more attempts) or held (the blob says so).
 */
export class ChunkBoard {
  /** How many agents hold each chunk. */
  readonly rarity: RarityOrder
  readonly #attempts = new Map<number, Attempt[]>()
  /** 1 for each chunk in flight: a plan asks this of every chunk. */
  readonly #inFlight: Uint8Array

  constructor(chunkCount: number) {
    this.rarity = new RarityOrder(chunkCount)
    this.#inFlight = new Uint8Array(chunkCount)
  }

  /** missing or in flight -> in flight */
  begin(chunk: number, sourceId: string, nowMs: number, controller = new AbortController()): Attempt {
    const attempt: Attempt = { chunk, sourceId, sinceMs: nowMs, controller }
    const others = this.#attempts.get(chunk)
    if (others === undefined) this.#attempts.set(chunk, [attempt])
    else others.push(attempt)
    this.#inFlight[chunk] = 1
    return attempt
  }

  /** in flight -> missing, or in flight with one attempt less */
  end(attempt: Attempt): void {
    const attempts = this.#attempts.get(attempt.chunk)
    const index = attempts?.indexOf(attempt) ?? -1
    if (attempts === undefined || index < 0) return
    attempts.splice(index, 1)
    if (attempts.length > 0) return
    this.#attempts.delete(attempt.chunk)
    this.#inFlight[attempt.chunk] = 0
  }

  attemptsOn(chunk: number): readonly Attempt[] {
    return this.#attempts.get(chunk) ?? []
  }

  isInFlight(chunk: number): boolean {
    return this.#inFlight[chunk] === 1
  }

  /** Attempts on all chunks, oldest chunk entry first. */
  *attempts(): Generator<Attempt> {
    for (const attempts of this.#attempts.values()) yield* attempts
  }

  get inFlightCount(): number {
    return this.#attempts.size
  }

  addCopy(chunk: number): void {
    this.rarity.add(chunk)
  }

  removeCopy(chunk: number): void {
    this.rarity.remove(chunk)
  }

  /** Followed agents that hold `chunk`. */
  copiesOf(chunk: number): number {
    return this.rarity.copiesOf(chunk)
  }
}
