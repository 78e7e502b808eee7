import type { Random } from '../core/index.ts'

export interface BackoffInit {
  readonly minMs: number
  readonly maxMs: number
}

/** Waits that double from `minMs` to `maxMs`, each shortened at random by up to half so that a cluster does not retry in step. */
export class Backoff {
  readonly #init: BackoffInit
  readonly #random: Random
  #attempts = 0

  constructor(init: BackoffInit, random: Random) {
    this.#init = init
    this.#random = random
  }

  /** The wait before the next attempt, in milliseconds. */
  next(): number {
    const fullMs = Math.min(this.#init.minMs * 2 ** this.#attempts, this.#init.maxMs)
    if (fullMs < this.#init.maxMs) this.#attempts++
    return fullMs * (1 - this.#random() / 2)
  }

  /** Begins anew from the shortest wait. */
  reset(): void {
    this.#attempts = 0
  }
}
