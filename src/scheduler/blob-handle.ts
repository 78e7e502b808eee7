import { type AbortOptions, type Clock, isAbort } from '../core/index.ts'
import type { BandwidthClass, Lease } from '../util/index.ts'
import { type CacheLevel, levelOfSource } from './cache-level.ts'
import { Demand, type DemandKind } from './demand.ts'
import type { Download } from './download.ts'
import type { BytesBySource } from './fetch-ledger.ts'
import { OverflowBlob } from './overflow-blob.ts'
import type { ReadAhead } from './read-ahead.ts'

/** Times that one chunk is fetched for a reader who finds it gone again; with no disk, readers far apart evict each other's. */
const MAX_READ_ATTEMPTS = 8

/** One on its way hides the round trip of the next; more would share the link with the reader that they are fetched for. */
const TRACE_CHUNKS_AT_ONCE = 2

/** Half-open byte range [start, end). */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface CompleteOptions extends AbortOptions {
  /** As what it counts under a limit, where not as its kind. */
  readonly bandwidth?: BandwidthClass | undefined
}

/** What the scheduler is told of one handle. */
export interface BlobHandleEvents {
  /** A client begins to read `range`. */
  begins(range: ByteRange, kind: DemandKind): void
  /** A client's next bytes are not at hand; the function returned is called once they are, or the client has left. */
  waits(kind: DemandKind): () => void
  /** A client read bytes that were held before it asked. */
  storeRead(bytes: number): void
  /** A client has its next bytes, for which it asked `tookMs` ago. */
  served(level: CacheLevel, bytes: number, tookMs: number): void
  closed(): void
}

/** One client's use of a download: it keeps the download alive until `close`, and reads verified bytes in order. */
export class BlobHandle {
  readonly #download: Download
  readonly #readAhead: ReadAhead
  readonly #events: BlobHandleEvents
  readonly #clock: Clock
  #isClosed = false
  #hasStepped = false

  constructor(download: Download, readAhead: ReadAhead, events: BlobHandleEvents, clock: Clock) {
    this.#download = download
    this.#readAhead = readAhead
    this.#events = events
    this.#clock = clock
  }

  get sizeBytes(): number {
    return this.#download.ref.sizeBytes
  }

  /** As `lend`, but the pieces are the caller's to keep, though not to change. */
  async *read(range: ByteRange, kind: DemandKind, options: AbortOptions): AsyncGenerator<Uint8Array> {
    for await (const piece of this.lend(range, kind, options)) yield piece.bytes
  }

  /**
   * The bytes of `range` in order, one piece per chunk, each verified; the caller gives each back when it is done with it.
   * Throws when every source failed; ends what it asked for when the caller stops early.
   */
  async *lend(range: ByteRange, kind: DemandKind, options: AbortOptions): AsyncGenerator<Lease> {
    const { layout } = this.#download.blob
    const demand = new Demand(kind, range.start, range.end)
    this.#download.want(demand)
    if (kind === 'range') this.#step(range)
    this.#events.begins(range, kind)
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

  /** What comes after several ranges of one request is no guess: it has named them all. */
  #step({ start, end }: ByteRange): void {
    if (!this.#hasStepped) this.#readAhead.note(start, end)
    this.#hasStepped = true
  }

  async #readChunk(
    chunk: number,
    offset: number,
    length: number,
    demand: Demand,
    options: AbortOptions,
  ): Promise<Lease> {
    const sinceMs = this.#clock.now()
    for (let attempt = 1; ; attempt++) {
      const { chunks } = this.#download
      const isHere = chunks.isReadable(chunk)
      if (!isHere) await this.#waitFor(chunk, demand, options)
      try {
        const source = chunks.sourceOf(chunk)
        const level = isHere ? chunks.levelOf(chunk, offset, length) : levelOfSource(source)
        const piece = await chunks.lend(offset, length, options)
        if (isHere && source === undefined) this.#events.storeRead(length)
        this.#events.served(level, length, this.#clock.now() - sinceMs)
        return piece
      } catch (error) {
        // Evicted from memory between its arrival and its turn, or dropped because the whole was wrong.
        if (isAbort(error) || attempt >= MAX_READ_ATTEMPTS || this.#download.chunks.isReadable(chunk)) throw error
      }
    }
  }

  async #waitFor(chunk: number, demand: Demand, options: AbortOptions): Promise<void> {
    const hasEnded = this.#events.waits(demand.kind)
    try {
      await this.#download.readable(chunk, demand, options)
    } finally {
      hasEnded()
    }
  }

  /** Fetches the whole blob into the store at `kind`'s urgency without reading it; reports each chunk held. */
  async complete(kind: 'whole' | 'background', onProgress: () => void, options: CompleteOptions): Promise<void> {
    const { layout } = this.#download.blob
    const demand = new Demand(kind, 0, this.sizeBytes, options.bandwidth)
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

  /**
   * Fetches the chunks at `offsets` into the store, some at a time and in this order, as nobody waits for them. Resolves
   * when they are there; rejects when one cannot be had.
   */
  async fetchInOrder(offsets: readonly number[], options: AbortOptions): Promise<void> {
    const { layout } = this.#download.blob
    const within = offsets.filter((at) => at >= 0 && at < layout.sizeBytes)
    const queue = [...new Set(within.map((at) => layout.chunkAt(at)))]
    const worker = async () => {
      for (let chunk = queue.shift(); chunk !== undefined; chunk = queue.shift()) await this.#fetchChunk(chunk, options)
    }
    try {
      await Promise.all(Array.from({ length: TRACE_CHUNKS_AT_ONCE }, worker))
    } finally {
      queue.length = 0
    }
  }

  async #fetchChunk(chunk: number, options: AbortOptions): Promise<void> {
    const { layout } = this.#download.blob
    const start = layout.offsetOf(chunk)
    const demand = new Demand('trace', start, start + layout.lengthOf(chunk))
    this.#download.want(demand)
    try {
      await this.#download.held(chunk, demand, options)
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

  /** Whether what is fetched goes to the store; false when it passes through memory, for want of room. */
  get isKept(): boolean {
    return !(this.#download.blob instanceof OverflowBlob)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#events.closed()
  }
}
