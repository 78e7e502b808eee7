import type { Clock } from '../core/index.ts'
import { type DemandKind, hasReader } from './demand.ts'
import type { Download } from './download.ts'

/** What clients are at, as far as those who work for later have to keep out of their way. */
export interface ClientActivity {
  /** Readers of parts of layers that wait for bytes now. */
  readonly lazyWaiting: number
  /** When one of them last waited, on the scheduler's clock; `undefined` when none ever did. */
  readonly lastLazyWaitMs: number | undefined
  /** Layers not all here that somebody fetches whole. */
  readonly pulls: number
}

/** Which clients wait for bytes, over all downloads. */
export class ClientWaits {
  readonly #clock: Clock
  #lazyWaiting = 0
  #lastLazyWaitMs: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get lazyWaiting(): number {
    return this.#lazyWaiting
  }

  get lastLazyWaitMs(): number | undefined {
    return this.#lazyWaiting > 0 ? this.#clock.now() : this.#lastLazyWaitMs
  }

  /** A client waits until the function returned is called, once. */
  begin(kind: DemandKind): () => void {
    if (!isLazy(kind)) return () => undefined
    this.#lazyWaiting++
    return () => {
      this.#lazyWaiting--
      this.#lastLazyWaitMs = this.#clock.now()
    }
  }
}

/** Readers and completions under way. */
export function readersOf({ demands }: Download): number {
  return demands.values().reduce((count, { kind }) => (hasReader(kind) || kind === 'background' ? count + 1 : count), 0)
}

/** Somebody fetches all of it, and it is not all here. */
export function isPulled({ demands, blob }: Download): boolean {
  return !blob.isComplete && demands.values().some(({ kind }) => kind === 'whole')
}

/** Whether a demand of this kind is for a part of a layer. */
export function isLazy(kind: DemandKind): kind is 'range' | 'open' {
  return kind === 'range' || kind === 'open'
}
