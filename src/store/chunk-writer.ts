import { SHA256_BYTES, ShoalError } from '../core/index.ts'
import type { BlobState, ChunkPlace } from './blob-state.ts'
import type { Catalogue } from './catalogue.ts'
import { type ChunkRecord, encodeRecord, recordOffset } from './chunk-records.ts'
import { StoreFailedError, StoreFullError, storeFailure } from './errors.ts'
import type { StoreMetrics } from './metrics.ts'
import type { Space } from './space.ts'
import type { Verifier } from './verifier.ts'

export interface ChunkWriterComponents {
  readonly catalogue: Catalogue
  readonly verifier: Verifier
  readonly space: Space
  readonly metrics: StoreMetrics
}

/** Enters chunks: bytes first, then their record, and only then do they count as held. */
export class ChunkWriter {
  readonly #components: ChunkWriterComponents

  constructor(components: ChunkWriterComponents) {
    this.#components = components
  }

  /** Stores bytes that have `digest`. A chunk that is held stays as it is; bytes that another place holds become an alias of it. */
  async write(blob: BlobState, chunk: number, bytes: Uint8Array, digest: Uint8Array): Promise<void> {
    checkDigest(digest)
    if (bytes.byteLength !== blob.layout.lengthOf(chunk)) throw new RangeError(`chunk ${chunk} has another length`)
    if (blob.has(chunk)) return
    await this.#components.space.admitWrite(bytes.byteLength)
    try {
      await this.#enter(blob, chunk, bytes, digest)
    } catch (error) {
      if (!(error instanceof StoreFullError) || !(await this.#components.space.relieve(bytes.byteLength))) throw error
      await this.#enter(blob, chunk, bytes, digest)
    }
  }

  /** Whether there is a place that holds bytes with this digest. */
  canAdopt(digest: Uint8Array): boolean {
    checkDigest(digest)
    return this.#components.catalogue.find(digest) !== undefined
  }

  /** Makes the chunk an alias of a place that holds the same bytes; false when there is none. */
  async adopt(blob: BlobState, chunk: number, digest: Uint8Array): Promise<boolean> {
    checkDigest(digest)
    blob.layout.lengthOf(chunk)
    if (blob.has(chunk)) return Buffer.compare(digest, blob.digestAt(chunk) ?? digest) === 0
    const holder = await this.#checkedHolder(digest)
    if (holder === undefined || holder.blob.layout.lengthOf(holder.chunk) !== blob.layout.lengthOf(chunk)) return false
    return await blob.serialize(chunk, () => this.#writeAlias(blob, chunk, digest))
  }

  async #enter(blob: BlobState, chunk: number, bytes: Uint8Array, digest: Uint8Array): Promise<void> {
    if (await this.adopt(blob, chunk, digest)) return
    await blob.serialize(chunk, () => this.#writeOwn(blob, chunk, bytes, digest))
  }

  async #checkedHolder(digest: Uint8Array): Promise<ChunkPlace | undefined> {
    const holder = this.#components.catalogue.find(digest)
    if (holder === undefined || !holder.blob.suspects.has(holder.chunk)) return holder
    await this.#components.verifier.check([holder])
    return this.#components.catalogue.find(digest)
  }

  /** The holder is borrowed while the record is written, so it is not evicted; it may still be found wrong as a whole and be emptied. */
  async #writeAlias(blob: BlobState, chunk: number, digest: Uint8Array): Promise<boolean> {
    const { catalogue, metrics } = this.#components
    if (blob.has(chunk)) return true
    const holder = catalogue.find(digest)
    if (holder === undefined || holder.blob.suspects.has(holder.chunk)) return false
    holder.blob.borrowers++
    try {
      await this.#writeRecord(blob, chunk, { state: 'alias', digest })
      if (!holder.blob.hasOwn(holder.chunk) || holder.blob.isLeaving) return false
      catalogue.alias({ blob, chunk }, digest, holder)
    } finally {
      holder.blob.borrowers--
    }
    metrics.sharedBytes.inc(blob.layout.lengthOf(chunk))
    return true
  }

  async #writeRecord(blob: BlobState, chunk: number, record: ChunkRecord): Promise<void> {
    const files = usableFiles(blob)
    await this.#guard('write of a record', () =>
      files.use((open) => open.chunks.write(encodeRecord(chunk, record), recordOffset(chunk))),
    )
    if (blob.files !== files) throw new StoreFailedError('blob was dropped meanwhile')
  }

  async #writeOwn(blob: BlobState, chunk: number, bytes: Uint8Array, digest: Uint8Array): Promise<void> {
    if (blob.has(chunk)) return
    const files = usableFiles(blob)
    const record = encodeRecord(chunk, { state: 'own', digest })
    await this.#guard('write of a chunk', () =>
      files.use(async (open) => {
        await open.data.write(bytes, blob.layout.offsetOf(chunk))
        await open.chunks.write(record, recordOffset(chunk))
      }),
    )
    if (blob.files !== files || blob.isLeaving) throw new StoreFailedError('blob was dropped meanwhile')
    this.#components.metrics.writtenBytes.inc(bytes.byteLength)
    this.#components.catalogue.hold({ blob, chunk }, digest)
  }

  async #guard(action: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof ShoalError)) this.#components.metrics.errors.inc({ operation: 'write' })
      throw storeFailure(action, error)
    }
  }
}

function usableFiles(blob: BlobState) {
  if (blob.isLeaving) throw new StoreFailedError('blob is being dropped')
  return blob.files
}

function checkDigest(digest: Uint8Array): void {
  if (digest.byteLength !== SHA256_BYTES)
    throw new RangeError(`a sha256 has ${SHA256_BYTES} bytes, got ${digest.byteLength}`)
}
