import type { ChunkLayout, SignedChunkMap } from '../chunking/index.ts'
import { type AbortOptions, type BlobRef, ShoalError } from '../core/index.ts'
import { type Lease, unpooled } from '../util/index.ts'
import type { StoredBlob } from './ports.ts'

/** Chunks kept in memory for one blob that the disk has no room for, however large: what the windows of some readers need. */
const MIN_CHUNKS_IN_MEMORY = 8

/**
 * A blob that goes on when the disk is full or broken: chunks that cannot be stored pass through memory, the oldest
 * leaving first, and are fetched again should a reader still need them. It is never complete.
 */
export class OverflowBlob implements StoredBlob {
  readonly ref: BlobRef
  readonly layout: ChunkLayout
  readonly #stored: StoredBlob | undefined
  readonly #chunks = new Map<number, { bytes: Uint8Array; digest: Uint8Array }>()
  readonly #keptBytes: number
  #bytes = 0

  /** Keeps at least `keptBytes` of what was written last, in chunks that may be much smaller than the largest. */
  constructor(ref: BlobRef, layout: ChunkLayout, stored: StoredBlob | undefined, keptBytes: number) {
    this.ref = ref
    this.layout = layout
    this.#stored = stored
    this.#keptBytes = keptBytes
  }

  get heldCount(): number {
    return (this.#stored?.heldCount ?? 0) + this.#chunks.size
  }

  get isComplete(): boolean {
    return false
  }

  get map(): SignedChunkMap | undefined {
    return this.#stored?.map
  }

  has(chunk: number): boolean {
    return this.#chunks.has(chunk) || (this.#stored?.has(chunk) ?? false)
  }

  isInMemory(offset: number): boolean {
    return this.#chunks.has(this.layout.chunkAt(offset))
  }

  digestAt(chunk: number): Uint8Array | undefined {
    return this.#chunks.get(chunk)?.digest ?? this.#stored?.digestAt(chunk)
  }

  async write(chunk: number, bytes: Uint8Array, chunkDigest: Uint8Array): Promise<void> {
    this.#forget(chunk)
    this.#chunks.set(chunk, { bytes: Uint8Array.prototype.slice.call(bytes), digest: chunkDigest })
    this.#bytes += bytes.byteLength
    for (const [oldest, { bytes: old }] of this.#chunks) {
      if (this.#chunks.size <= MIN_CHUNKS_IN_MEMORY || this.#bytes - old.byteLength < this.#keptBytes) break
      this.#forget(oldest)
    }
  }

  async lend(offset: number, length: number, options?: AbortOptions): Promise<Lease> {
    const chunk = this.layout.chunkAt(offset)
    const inMemory = this.#chunks.get(chunk)
    if (inMemory !== undefined) {
      const from = offset - this.layout.offsetOf(chunk)
      return unpooled(inMemory.bytes.subarray(from, from + length))
    }
    if (this.#stored === undefined) {
      throw new ShoalError(`chunk ${chunk} left memory`, { code: 'CHUNK_GONE', blame: 'local', retryable: true })
    }
    return await this.#stored.lend(offset, length, options)
  }

  canAdopt(): boolean {
    return false
  }

  async adopt(): Promise<boolean> {
    return false
  }

  async setMap(): Promise<void> {}

  async verifyWhole(): Promise<boolean> {
    return true
  }

  release(): void {
    this.#chunks.clear()
    this.#bytes = 0
    this.#stored?.release()
  }

  #forget(chunk: number): void {
    this.#bytes -= this.#chunks.get(chunk)?.bytes.byteLength ?? 0
    this.#chunks.delete(chunk)
  }
}
