import { ShoalError } from '../core/index.ts'

/** Rest after the origin failed, doubled at each failure in a row up to the cap. */
const REST_MS = 1_000
const REST_CAP_MS = 30_000

/** When the origin, having failed one download, may be asked again by it. */
export class OriginRest {
  #failures = 0
  #untilMs = 0
  #error: unknown

  /** Why it failed last; `undefined` when it never did. */
  get error(): unknown {
    return this.#error
  }

  failed(error: unknown, nowMs: number): void {
    this.#error = error
    this.#untilMs = nowMs + Math.min(REST_CAP_MS, REST_MS * 2 ** this.#failures)
    this.#failures++
  }

  delivered(): void {
    this.#failures = 0
  }

  /** Somebody else's credentials are to be tried: that the ones before were refused says nothing about them. */
  renewed(): void {
    if (!(this.#error instanceof ShoalError) || this.#error.blame !== 'caller') return
    this.#error = undefined
    this.#failures = 0
    this.#untilMs = 0
  }

  isOver(nowMs: number): boolean {
    return nowMs >= this.#untilMs
  }
}
