import type { AbortOptions } from '../core/index.ts'
import { type Buffers, type Lease, unpooled } from '../util/index.ts'
import type { BlobState, ChunkPlace } from './blob-state.ts'
import type { ChunkDropper } from './chunk-dropper.ts'
import type { ChunkMemory } from './chunk-memory.ts'
import { ChunkNotHeldError, StoreFailedError, storeFailure, systemCode } from './errors.ts'
import type { StoreMetrics } from './metrics.ts'

export interface ChunkReaderComponents {
  readonly memory: ChunkMemory
  readonly dropper: ChunkDropper
  readonly metrics: StoreMetrics
  readonly buffers: Buffers
}

/** A chunk being read for all who want it meanwhile. Each takes a share; the last to leave gives the chunk's own lease back. */
interface Loading {
  readonly chunk: Promise<Lease>
  readers: number
}

/** The part of one chunk that a range covers. */
interface Piece {
  readonly chunk: number
  /** First byte, counted from the start of the chunk. */
  readonly from: number
  readonly lengthBytes: number
  readonly isWhole: boolean
}

/**
 * Reads ranges of held chunks. A part of a chunk brings the whole chunk into memory, since a lazy reader comes back for
 * its neighbours; whole chunks pass memory by, since whoever streams a blob reads them once. Equal chunks that are wanted
 * at the same time are read from disk once.
 */
export class ChunkReader {
  readonly #components: ChunkReaderComponents
  readonly #loading = new Map<string, Loading>()

  constructor(components: ChunkReaderComponents) {
    this.#components = components
  }

  /** The caller gives the bytes back. */
  async read(blob: BlobState, offset: number, length: number, options: AbortOptions = {}): Promise<Lease> {
    const pieces = piecesOf(blob, offset, length)
    options.signal?.throwIfAborted()
    const [only] = pieces
    if (only === undefined) return unpooled(new Uint8Array())
    if (pieces.length === 1) return await this.#readPiece(blob, only)
    const lease = this.#components.buffers.lease(length)
    const { bytes } = lease
    let filled = 0
    for (const piece of pieces) {
      options.signal?.throwIfAborted()
      await this.#readPieceInto(bytes.subarray(filled, filled + piece.lengthBytes), blob, piece)
      filled += piece.lengthBytes
    }
    return lease
  }

  /** Whether a part of one chunk would be read from memory; whole chunks never are. */
  isInMemory(blob: BlobState, offset: number, length: number): boolean {
    const chunk = blob.layout.chunkAt(offset)
    const digest = length < blob.layout.lengthOf(chunk) ? blob.digestAt(chunk) : undefined
    return digest !== undefined && this.#components.memory.has(memoryKey(digest))
  }

  /** Keeps a share of a whole chunk in memory, as if a part of it had been read here. */
  remember(digest: Uint8Array, payload: Lease): void {
    const { memory } = this.#components
    if (memory.fits(payload.bytes.byteLength)) memory.set(memoryKey(digest), payload.share())
  }

  async #readPieceInto(target: Uint8Array, blob: BlobState, piece: Piece): Promise<void> {
    if (piece.isWhole) await this.#readDisk(target, blob, piece.chunk, 0)
    else await this.#copyPiece(target, blob, piece)
  }

  async #copyPiece(target: Uint8Array, blob: BlobState, piece: Piece): Promise<void> {
    const lease = await this.#readPiece(blob, piece)
    target.set(lease.bytes)
    lease.release()
  }

  async #readPiece(blob: BlobState, piece: Piece): Promise<Lease> {
    const { chunk, from, lengthBytes } = piece
    const key = keyOf(blob, chunk)
    if (piece.isWhole) return await this.#load(blob, chunk, key)
    if (!this.#components.memory.fits(blob.layout.lengthOf(chunk))) {
      const lease = this.#components.buffers.lease(lengthBytes)
      await this.#readDisk(lease.bytes, blob, chunk, from)
      return lease
    }
    const { memory } = this.#components
    const inMemory = memory.get(key)
    if (inMemory !== undefined) return inMemory.share(from, from + lengthBytes)
    const whole = await this.#load(blob, chunk, key)
    const part = whole.share(from, from + lengthBytes)
    memory.set(key, whole)
    return part
  }

  /** The whole chunk; the caller gives it back. */
  async #load(blob: BlobState, chunk: number, key: string): Promise<Lease> {
    const loading = this.#loading.get(key) ?? this.#startLoading(blob, chunk, key)
    loading.readers++
    try {
      return (await loading.chunk).share()
    } finally {
      loading.readers--
      if (loading.readers === 0) this.#endLoading(key, loading)
    }
  }

  #startLoading(blob: BlobState, chunk: number, key: string): Loading {
    const lease = this.#components.buffers.lease(blob.layout.lengthOf(chunk))
    const loading = { chunk: this.#readDisk(lease.bytes, blob, chunk, 0).then(() => lease), readers: 0 }
    this.#loading.set(key, loading)
    return loading
  }

  /** One that failed loses its buffer: the disk may still be at it. */
  #endLoading(key: string, { chunk }: Loading): void {
    this.#loading.delete(key)
    chunk.then(
      (lease) => lease.release(),
      () => {},
    )
  }

  /** Fills `target`. Starts over when the bytes moved to another blob while they were being read. */
  async #readDisk(target: Uint8Array, blob: BlobState, chunk: number, from: number): Promise<void> {
    for (;;) {
      const place = blob.placeOf(chunk)
      if (place === undefined) throw new ChunkNotHeldError(chunk)
      const files = place.blob.files
      try {
        return await this.#readPlace(target, place, from)
      } catch (error) {
        const now = blob.placeOf(chunk)
        if (now !== undefined && (now.blob !== place.blob || now.blob.files !== files)) continue
        throw error
      }
    }
  }

  async #readPlace(target: Uint8Array, place: ChunkPlace, from: number): Promise<void> {
    const { metrics, dropper } = this.#components
    const files = place.blob.files
    const position = place.blob.layout.offsetOf(place.chunk) + from
    try {
      const bytesRead = await files.use((open) => open.data.read(target, position))
      metrics.readBytes.inc(bytesRead)
      if (bytesRead === target.byteLength) return
    } catch (cause) {
      if (cause instanceof StoreFailedError) throw cause
      metrics.errors.inc({ operation: 'read' })
      if (!isLost(cause)) throw storeFailure('read of a chunk', cause)
    }
    if (place.blob.files === files) await dropper.drop(place)
    throw new StoreFailedError(`chunk ${place.chunk} could not be read and was dropped`)
  }
}

/** Whether the error says that the bytes are gone, not that they cannot be read just now. */
function isLost(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'EIO' || code === 'ENOENT'
}

function keyOf(blob: BlobState, chunk: number): string {
  const digest = blob.digestAt(chunk)
  if (digest === undefined) throw new ChunkNotHeldError(chunk)
  return memoryKey(digest)
}

function memoryKey(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('latin1')
}

function piecesOf(blob: BlobState, offset: number, length: number): Piece[] {
  const { layout } = blob
  const end = offset + length
  if (
    !(Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0 && end <= layout.sizeBytes)
  ) {
    throw new RangeError(`range ${offset}+${length} is outside ${layout.sizeBytes} bytes`)
  }
  const pieces: Piece[] = []
  for (let at = offset; at < end; ) {
    const chunk = layout.chunkAt(at)
    if (!blob.has(chunk)) throw new ChunkNotHeldError(chunk)
    const from = at - layout.offsetOf(chunk)
    const lengthBytes = Math.min(end - at, layout.lengthOf(chunk) - from)
    pieces.push({ chunk, from, lengthBytes, isWhole: lengthBytes === layout.lengthOf(chunk) })
    at += lengthBytes
  }
  return pieces
}
