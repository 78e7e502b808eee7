import { LRUCache } from 'lru-cache'
import type { Lease } from '../util/index.ts'
import type { StoreMetrics } from './metrics.ts'

/** No chunk takes more than this share of the memory; larger ones are read in part, each time. */
const MAX_SHARE = 1 / 8

/** Whole chunks by their digest, the longest unused ones given up first. A digest never means other bytes, so nothing here is ever stale. */
export class ChunkMemory {
  readonly #chunks: LRUCache<string, Lease> | undefined
  readonly #metrics: StoreMetrics
  readonly #maxChunkBytes: number

  constructor(memoryBytes: number, metrics: StoreMetrics) {
    this.#metrics = metrics
    this.#maxChunkBytes = Math.floor(memoryBytes * MAX_SHARE)
    if (memoryBytes < 1) return
    this.#chunks = new LRUCache({
      maxSize: memoryBytes,
      sizeCalculation: ({ bytes }) => Math.max(1, bytes.byteLength),
      dispose: (lease) => lease.release(),
    })
  }

  get usedBytes(): number {
    return this.#chunks?.calculatedSize ?? 0
  }

  /** Whether it has the chunk; this is no use of it. */
  has(digest: string): boolean {
    return this.#chunks?.has(digest) ?? false
  }

  /** Whether a chunk of this size may be kept. */
  fits(lengthBytes: number): boolean {
    return lengthBytes <= this.#maxChunkBytes
  }

  /** Stays with the memory: whoever reads it takes a share. */
  get(digest: string): Lease | undefined {
    const lease = this.#chunks?.get(digest)
    this.#metrics.memoryLookups.inc({ outcome: lease === undefined ? 'miss' : 'hit' })
    return lease
  }

  /** Takes the lease over. */
  set(digest: string, lease: Lease): void {
    this.#chunks?.set(digest, lease)
  }

  clear(): void {
    this.#chunks?.clear()
  }
}
