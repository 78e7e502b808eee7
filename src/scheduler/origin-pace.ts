/** Weight of the newest sample in what a chunk takes. */
const EWMA_WEIGHT = 0.25

/**
 * What a chunk of the origin takes at present, over all downloads of this process: they share its line, and one that reads
 * nothing itself has no other way to know that the others have to wait too.
 */
export class OriginPace {
  #chunkMs = 0

  /** Milliseconds; 0 before anything was read. */
  get chunkMs(): number {
    return this.#chunkMs
  }

  tookMs(ms: number): void {
    this.#chunkMs += (this.#chunkMs === 0 ? 1 : EWMA_WEIGHT) * (ms - this.#chunkMs)
  }
}
