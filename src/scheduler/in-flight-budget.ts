/** Bytes that may be in flight over all downloads: chunk buffers handed out and not yet written. */
export class InFlightBudget {
  readonly #limitBytes: number
  #usedBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get freeBytes(): number {
    return Math.max(0, this.#limitBytes - this.#usedBytes)
  }

  take(bytes: number): void {
    this.#usedBytes += bytes
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes
  }
}
