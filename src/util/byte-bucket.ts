/**
 * What may go at once after a pause, as time at the full rate: covers the pause until a peer that was told to come back
 * is there, and a timer that fires late; short enough that a second has hardly more than its rate.
 */
const BURST_MS = 200

/** A token bucket of bytes that may owe: it lets a take of any size through while nothing is owed, and the next waits until it is paid. */
export class ByteBucket {
  #bytesPerSecond: number
  #levelBytes: number
  #atMs: number

  /** Begins full. A rate of `Infinity` is no limit. */
  constructor(bytesPerSecond: number, nowMs: number) {
    this.#bytesPerSecond = bytesPerSecond
    this.#atMs = nowMs
    this.#levelBytes = this.isLimited ? this.#burstBytes : 0
  }

  get isLimited(): boolean {
    return this.#bytesPerSecond !== Number.POSITIVE_INFINITY
  }

  setRate(bytesPerSecond: number, nowMs: number): void {
    this.#settle(nowMs)
    const wasLimited = this.isLimited
    this.#bytesPerSecond = bytesPerSecond
    if (!this.isLimited) this.#levelBytes = 0
    else this.#levelBytes = wasLimited ? Math.min(this.#levelBytes, this.#burstBytes) : this.#burstBytes
  }

  /** Milliseconds until something may go, after `aheadBytes` have gone; 0 when it is now. */
  waitMs(nowMs: number, aheadBytes = 0): number {
    if (!this.isLimited) return 0
    this.#settle(nowMs)
    return Math.max(0, ((aheadBytes - this.#levelBytes) / this.#bytesPerSecond) * 1000)
  }

  /** Takes `bytes`, or gives them back when negative. */
  spend(bytes: number, nowMs: number): void {
    if (!this.isLimited) return
    this.#settle(nowMs)
    this.#levelBytes = Math.min(this.#burstBytes, this.#levelBytes - bytes)
  }

  get #burstBytes(): number {
    return (this.#bytesPerSecond * BURST_MS) / 1000
  }

  #settle(nowMs: number): void {
    if (this.isLimited) {
      const gainedBytes = ((nowMs - this.#atMs) / 1000) * this.#bytesPerSecond
      this.#levelBytes = Math.min(this.#burstBytes, this.#levelBytes + gainedBytes)
    }
    this.#atMs = nowMs
  }
}
