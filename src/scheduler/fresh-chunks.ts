import type { Clock, Timer } from '../core/index.ts'
import type { InFlightBudget } from './in-flight-budget.ts'

/** Most bytes of stored chunks kept in memory over all downloads: the windows of four readers. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024

/** Share of what may be in flight that may be kept instead. */
const MAX_KEPT_SHARE = 1 / 4

/** What nobody came for in this time is not read next by anybody, and an idle agent should be small. */
const KEEP_MS = 1_000

/** A chunk that was stored and is still in memory. */
export interface FreshChunk {
  readonly sizeBytes: number
  /** Gives its bytes back; called once, when others need the room or after a while. */
  drop(): void
}

export interface FreshChunksInit {
  /** Bytes that may be in flight over all downloads. */
  readonly inFlightBytes: number
}

export interface FreshChunksComponents {
  /** What is kept takes from it, so that the memory of all downloads has one bound. */
  readonly budget: InFlightBudget
  readonly clock: Clock
}

/**
 * Which of the chunks that were just stored stay in memory, over all downloads, for whoever reads them next: the reader
 * in order, and the peers that were told of them. The oldest leave first. Owns the order; the bytes are their download's.
 */
export class FreshChunks {
  readonly limitBytes: number
  readonly #components: FreshChunksComponents
  /** From the oldest to the newest, with the time each came. */
  readonly #kept = new Map<FreshChunk, number>()
  #keptBytes = 0
  #timer: Timer | undefined

  constructor({ inFlightBytes }: FreshChunksInit, components: FreshChunksComponents) {
    this.limitBytes = Math.min(MAX_KEPT_BYTES, inFlightBytes * MAX_KEPT_SHARE)
    this.#components = components
  }

  /** Bytes kept in memory. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  /** Keeps the chunk for a while, or drops it at once where there is no room. */
  keep(chunk: FreshChunk): void {
    const { budget, clock } = this.#components
    for (const oldest of this.#kept.keys()) {
      if (this.#keptBytes + chunk.sizeBytes <= this.limitBytes) break
      this.#drop(oldest)
    }
    if (this.#keptBytes + chunk.sizeBytes > this.limitBytes || budget.freeBytes < chunk.sizeBytes) return chunk.drop()
    this.#kept.set(chunk, clock.now())
    this.#keptBytes += chunk.sizeBytes
    budget.take(chunk.sizeBytes)
    this.#timer ??= clock.after(KEEP_MS, () => this.#sweep())
  }

  /** The chunk was given back by its download; one that is not kept is fine. */
  forget(chunk: FreshChunk): void {
    if (!this.#kept.delete(chunk)) return
    this.#keptBytes -= chunk.sizeBytes
    this.#components.budget.give(chunk.sizeBytes)
    if (this.#kept.size > 0) return
    this.#timer?.clear()
    this.#timer = undefined
  }

  #drop(chunk: FreshChunk): void {
    this.forget(chunk)
    chunk.drop()
  }

  #sweep(): void {
    this.#timer = undefined
    const { clock } = this.#components
    const nowMs = clock.now()
    for (const [chunk, sinceMs] of this.#kept) {
      const leftMs = sinceMs + KEEP_MS - nowMs
      if (leftMs > 0) {
        this.#timer = clock.after(leftMs, () => this.#sweep())
        return
      }
      this.#drop(chunk)
    }
  }
}
