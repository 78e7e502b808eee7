import { type AbortOptions, type BlobRef, isAbort } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import type { Lease } from '../util/index.ts'
import type { CacheLevel } from './cache-level.ts'
import type { ByteSource } from './fetch-ledger.ts'
import type { FreshChunk, FreshChunks } from './fresh-chunks.ts'
import { OverflowBlob } from './overflow-blob.ts'
import type { StoredBlob } from './ports.ts'

export interface IngestComponents {
  readonly freshChunks: FreshChunks
  readonly logger: Logger
  /** Kept in memory of a blob for which the disk has no room. */
  readonly overflowBytes: number
}

/** What can be read of a blob. */
export type ReadableChunks = Pick<
  Ingest,
  'isReadable' | 'lend' | 'lendIfFresh' | 'freshDigestAt' | 'sourceOf' | 'levelOf'
>

/** A blob whose store may keep hot chunks in memory. */
export interface RememberingBlob extends StoredBlob {
  /** Bytes that have `digest` and of which parts are read: takes a share where the store keeps such chunks in memory. */
  remember?(digest: Uint8Array, payload: Lease): void
  /** Whether `lend` of these bytes of one chunk would not go to the disk. */
  isInMemory?(offset: number, length: number): boolean
}

/** A verified chunk in memory, on its way to the disk or just written there. */
interface Fresh extends FreshChunk {
  readonly payload: Lease
  readonly digest: Uint8Array
  isRemembered: boolean
}

/**
 * The way of verified chunks into the blob of one download. Readers have a chunk from memory while it is being written,
 * and for a while after; it counts as held once it is stored. A pull does not fail because the disk does: from the first
 * write that fails on, chunks pass through memory. Owns the blob, what is being written to it, and its fresh chunks.
 */
export class Ingest {
  readonly #logger: Logger
  readonly #writing = new Set<number>()
  readonly #sources = new Map<number, ByteSource>()
  readonly #fresh = new Map<number, Fresh>()
  readonly #freshChunks: FreshChunks
  readonly #overflowBytes: number
  #blob: RememberingBlob

  constructor(blob: RememberingBlob, components: IngestComponents) {
    this.#blob = blob
    this.#logger = components.logger
    this.#freshChunks = components.freshChunks
    this.#overflowBytes = components.overflowBytes
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

  /** Bytes held, near enough for a progress bar: every chunk counts as one of usual length until all are there. */
  get heldBytes(): number {
    const { heldCount, layout, ref } = this.#blob
    const usualBytes = layout.kind === 'grid' ? layout.maxChunkBytes : ref.sizeBytes / layout.chunkCount
    return Math.min(ref.sizeBytes, Math.round(heldCount * usualBytes))
  }

  /** Bytes that a chunk has at most; 0 for an empty blob, which has no chunks. */
  get chunkBytes(): number {
    return this.#blob.layout.maxChunkBytes
  }

  /** Held, or verified and on its way to be. */
  isHad(chunk: number): boolean {
    return this.#blob.has(chunk) || (this.#writing.size > 0 && this.#writing.has(chunk))
  }

  /** Where `chunk` came from that was written here; `undefined` when it was found in the store. */
  sourceOf(chunk: number): ByteSource | undefined {
    return this.#sources.get(chunk)
  }

  /** Where these bytes of a chunk that is at hand would be read. */
  levelOf(chunk: number, offset: number, length: number): Extract<CacheLevel, 'memory' | 'disk'> {
    return this.#fresh.has(chunk) || this.#blob.isInMemory?.(offset, length) === true ? 'memory' : 'disk'
  }

  /** Verified, and at hand in memory or in the store. */
  isReadable(chunk: number): boolean {
    return this.#blob.has(chunk) || this.#fresh.has(chunk)
  }

  /** Bytes [offset, offset + length) of one readable chunk or of held ones; the caller gives them back. */
  async lend(offset: number, length: number, options: AbortOptions): Promise<Lease> {
    return this.#lendFresh(offset, length) ?? (await this.#blob.lend(offset, length, options))
  }

  /** The whole chunk where it is still in memory; the caller gives it back. */
  lendIfFresh(chunk: number): Lease | undefined {
    return this.#fresh.get(chunk)?.payload.share()
  }

  /** sha256 of the chunk where it is still in memory, stored or on its way to be. */
  freshDigestAt(chunk: number): Uint8Array | undefined {
    return this.#fresh.get(chunk)?.digest
  }

  /**
   * Writes a verified chunk, of which it keeps a share; the chunk can be read as soon as this was called. Resolves when it
   * is stored; to false, at once, when it was had already: the same one may come twice, from a hedge, or because a tracker
   * chose what a peer was asked for.
   */
  async write(chunk: number, payload: Lease, digest: Uint8Array, source: ByteSource): Promise<boolean> {
    if (this.isHad(chunk)) return false
    this.#writing.add(chunk)
    this.#sources.set(chunk, source)
    const fresh = this.#addFresh(chunk, payload, digest)
    try {
      await this.#writeOrOverflow(chunk, payload.bytes, digest)
    } catch (error) {
      this.#dropFresh(chunk, fresh)
      throw error
    } finally {
      this.#writing.delete(chunk)
    }
    // What overflows has its own place in memory.
    if (this.isOverflowing) this.#dropFresh(chunk, fresh)
    else if (this.#fresh.get(chunk) === fresh) this.#freshChunks.keep(fresh)
    return true
  }

  /** Gives up what is in memory: the blob was found wrong, or nobody uses it any more. */
  forgetFresh(): void {
    for (const [chunk, fresh] of [...this.#fresh]) this.#dropFresh(chunk, fresh)
  }

  /**
   * Takes the chunk over from another blob of the store; false when none has it, the disk does not let us, or it is had
   * already. While this is under way the chunk counts as had.
   */
  async adopt(chunk: number, digest: Uint8Array): Promise<boolean> {
    if (this.isHad(chunk)) return false
    this.#writing.add(chunk)
    try {
      return await this.#blob.adopt(chunk, digest)
    } catch (error) {
      if (isAbort(error)) throw error
      this.#logger.warn({ err: error, digest: this.ref.digest }, 'chunk not taken over, fetching it')
      return false
    } finally {
      this.#writing.delete(chunk)
    }
  }

  async #writeOrOverflow(chunk: number, bytes: Uint8Array, digest: Uint8Array): Promise<void> {
    try {
      await this.#blob.write(chunk, bytes, digest)
    } catch (error) {
      if (isAbort(error)) throw error
      this.#logger.warn({ err: error, digest: this.ref.digest }, 'chunk not stored, passing it through')
      if (!this.isOverflowing)
        this.#blob = new OverflowBlob(this.ref, this.#blob.layout, this.#blob, this.#overflowBytes)
      await this.#blob.write(chunk, bytes, digest)
    }
  }

  #addFresh(chunk: number, payload: Lease, digest: Uint8Array): Fresh {
    // One that the store has lost since comes again.
    const former = this.#fresh.get(chunk)
    if (former !== undefined) this.#dropFresh(chunk, former)
    const share = payload.share()
    const fresh: Fresh = {
      payload: share,
      digest,
      isRemembered: false,
      sizeBytes: share.bytes.byteLength,
      drop: () => this.#dropFresh(chunk, fresh),
    }
    this.#fresh.set(chunk, fresh)
    return fresh
  }

  #dropFresh(chunk: number, fresh: Fresh): void {
    if (this.#fresh.get(chunk) === fresh) this.#fresh.delete(chunk)
    this.#freshChunks.forget(fresh)
    fresh.payload.release()
  }

  #lendFresh(offset: number, length: number): Lease | undefined {
    if (this.#fresh.size === 0 || length === 0) return undefined
    const { layout } = this.#blob
    const chunk = layout.chunkAt(offset)
    const fresh = this.#fresh.get(chunk)
    const start = offset - layout.offsetOf(chunk)
    if (fresh === undefined || start + length > fresh.sizeBytes) return undefined
    if (length === fresh.sizeBytes) return fresh.payload.share()
    this.#remember(fresh)
    return fresh.payload.share(start, start + length)
  }

  /** Who reads a part comes back for its neighbours, later than the chunk is fresh. */
  #remember(fresh: Fresh): void {
    if (fresh.isRemembered) return
    fresh.isRemembered = true
    this.#blob.remember?.(fresh.digest, fresh.payload)
  }
}
