import { type BlobRef, isAbort } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { OverflowBlob } from './overflow-blob.ts'
import type { StoredBlob } from './ports.ts'

/**
 * The way of verified chunks into the blob of one download. A pull does not fail because the disk does: from the first
 * write that fails on, chunks pass through memory. Owns the blob and what is being written to it.
 */
export class Ingest {
  readonly #logger: Logger
  readonly #writing = new Set<number>()
  readonly #fetched = new Set<number>()
  #blob: StoredBlob

  constructor(blob: StoredBlob, logger: Logger) {
    this.#blob = blob
    this.#logger = logger
  }

  get blob(): StoredBlob {
    return this.#blob
  }

  get ref(): BlobRef {
    return this.#blob.ref
  }

  /** Nothing more can be kept; only what readers need next is worth fetching. */
  get isOverflowing(): boolean {
    return this.#blob instanceof OverflowBlob
  }

  get hasAll(): boolean {
    return this.#blob.heldCount === this.#blob.layout.chunkCount
  }

  /** Bytes held, near enough for a progress bar: the last chunk counts as a full one until all are there. */
  get heldBytes(): number {
    const { heldCount, ref } = this.#blob
    return Math.min(ref.sizeBytes, heldCount * this.chunkBytes)
  }

  /** Bytes of a full chunk; 0 for an empty blob, which has no chunks. */
  get chunkBytes(): number {
    const { layout } = this.#blob
    return layout.chunkCount > 0 ? layout.lengthOf(0) : 0
  }

  /** Held, or verified and on its way to be. */
  isHad(chunk: number): boolean {
    return this.#blob.has(chunk) || (this.#writing.size > 0 && this.#writing.has(chunk))
  }

  /** Whether `chunk` was written here, rather than found in the store. */
  wasFetched(chunk: number): boolean {
    return this.#fetched.has(chunk)
  }

  /**
   * Writes a verified chunk; false when it was had already: the same one may come twice, from a hedge, or because a
   * tracker chose what a peer was asked for.
   */
  async write(chunk: number, bytes: Uint8Array, digest: Uint8Array): Promise<boolean> {
    if (this.isHad(chunk)) return false
    this.#writing.add(chunk)
    try {
      await this.#writeOrOverflow(chunk, bytes, digest)
    } finally {
      this.#writing.delete(chunk)
    }
    this.#fetched.add(chunk)
    return true
  }

  /** Takes the chunk over from another blob of the store; false when none has it, or the disk does not let us. */
  async adopt(chunk: number, digest: Uint8Array): Promise<boolean> {
    if (this.#blob.has(chunk)) return false
    try {
      return await this.#blob.adopt(chunk, digest)
    } catch (error) {
      if (isAbort(error)) throw error
      this.#logger.warn({ err: error, digest: this.ref.digest }, 'chunk not taken over, fetching it')
      return false
    }
  }

  async #writeOrOverflow(chunk: number, bytes: Uint8Array, digest: Uint8Array): Promise<void> {
    try {
      await this.#blob.write(chunk, bytes, digest)
    } catch (error) {
      if (isAbort(error)) throw error
      this.#logger.warn({ err: error, digest: this.ref.digest }, 'chunk not stored, passing it through')
      if (!this.isOverflowing) this.#blob = new OverflowBlob(this.ref, this.#blob.layout, this.#blob)
      await this.#blob.write(chunk, bytes, digest)
    }
  }
}
