import type { Clock, Digest, StartTrace } from '../core/index.ts'

/** A trace stands for so long against ones with fewer reads: what an image does at its start changes with how it is used. */
const STANDS_MS = 24 * 60 * 60_000

/** Where traces are kept. */
export interface TraceStore {
  putTrace(digest: Digest, trace: StartTrace): void
  getTrace(digest: Digest): (StartTrace & { readonly notedAtMs: number }) | undefined
}

export interface TraceBookComponents {
  readonly store: TraceStore
  readonly clock: Clock
}

/** The one trace that is remembered of each layer: of two the one with more reads, unless that is a day old. */
export class TraceBook {
  readonly #components: TraceBookComponents

  constructor(components: TraceBookComponents) {
    this.#components = components
  }

  get(digest: Digest): StartTrace | undefined {
    const note = this.#components.store.getTrace(digest)
    return note === undefined ? undefined : { sizeBytes: note.sizeBytes, offsets: note.offsets }
  }

  /** Remembers `trace` if it is better than what is known; says whether it was. */
  offer(digest: Digest, trace: StartTrace): boolean {
    const { store, clock } = this.#components
    const known = store.getTrace(digest)
    const stands = known !== undefined && clock.wallTime() - known.notedAtMs < STANDS_MS
    if (stands && known.offsets.length >= trace.offsets.length) return false
    store.putTrace(digest, trace)
    return true
  }
}
