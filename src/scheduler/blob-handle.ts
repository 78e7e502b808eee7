import { type AbortOptions, isAbort } from '../core/index.ts'
import { Demand, type DemandKind } from './demand.ts'
import type { Download } from './download.ts'
import type { BytesBySource } from './fetch-ledger.ts'

/** Times that one chunk is fetched for a reader who finds it gone again; with no disk, readers far apart evict each other's. */
const MAX_READ_ATTEMPTS = 8

/** Half-open byte range [start, end). */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** One client's use of a download: it keeps the download alive until `close`, and reads verified bytes in order. */
export class BlobHandle {
  readonly #download: Download
  readonly #onClose: () => void
  readonly #onStoreRead: (bytes: number) => void
  #isClosed = false

  constructor(download: Download, onStoreRead: (bytes: number) => void, onClose: () => void) {
    this.#download = download
    this.#onStoreRead = onStoreRead
    this.#onClose = onClose
  }

  get sizeBytes(): number {
    return this.#download.ref.sizeBytes
  }

  /**
   * The bytes of `range` in order, one piece per chunk, each verified. A piece is a view that must not be changed.
   * Throws when every source failed; ends what it asked for when the caller stops early.
   */
  async *read(range: ByteRange, kind: DemandKind, options: AbortOptions): AsyncGenerator<Uint8Array> {
    const { layout } = this.#download.blob
    const demand = new Demand(kind, range.start, range.end)
    this.#download.want(demand)
    try {
      for (let position = range.start; position < range.end; ) {
        const chunk = layout.chunkAt(position)
        const end = Math.min(range.end, layout.offsetOf(chunk) + layout.lengthOf(chunk))
        yield await this.#readChunk(chunk, position, end - position, demand, options)
        position = end
        demand.advance(position)
      }
    } finally {
      this.#download.unwant(demand)
    }
  }

  async #readChunk(
    chunk: number,
    offset: number,
    length: number,
    demand: Demand,
    options: AbortOptions,
  ): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      const isHere = this.#download.blob.has(chunk)
      if (!isHere) await this.#download.held(chunk, demand, options)
      try {
        const bytes = await this.#download.blob.read(offset, length, options)
        if (isHere && !this.#download.wasFetched(chunk)) this.#onStoreRead(bytes.byteLength)
        return bytes
      } catch (error) {
        // Evicted from memory between its arrival and its turn, or dropped because the whole was wrong.
        if (isAbort(error) || attempt >= MAX_READ_ATTEMPTS || this.#download.blob.has(chunk)) throw error
      }
    }
  }

  /** Fetches the whole blob into the store at `kind`'s urgency without reading it; reports each chunk held. */
  async complete(kind: 'whole' | 'background', onProgress: () => void, options: AbortOptions): Promise<void> {
    const { layout } = this.#download.blob
    const demand = new Demand(kind, 0, this.sizeBytes)
    this.#download.want(demand)
    try {
      for (let chunk = 0; chunk < layout.chunkCount; chunk++) {
        await this.#download.held(chunk, demand, options)
        demand.advance(layout.offsetOf(chunk) + layout.lengthOf(chunk))
        onProgress()
      }
      await this.#download.verified(options)
    } finally {
      this.#download.unwant(demand)
    }
  }

  /** Verified bytes that the download has fetched so far, by source. */
  get bytesBySource(): BytesBySource {
    return this.#download.ledger.total
  }

  /** Bytes of the blob at hand, near enough for a progress bar. */
  get heldBytes(): number {
    return this.#download.heldBytes
  }

  /** All of it is in the store, its digest checked; false for good when there is no room for it. */
  get isComplete(): boolean {
    return this.#download.blob.isComplete
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#onClose()
  }
}
