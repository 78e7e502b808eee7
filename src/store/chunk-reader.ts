import type { AbortOptions } from '../core/index.ts'
import type { BlobState, ChunkPlace } from './blob-state.ts'
import type { ChunkDropper } from './chunk-dropper.ts'
import type { ChunkMemory } from './chunk-memory.ts'
import { ChunkNotHeldError, StoreFailedError, storeFailure, systemCode } from './errors.ts'
import type { StoreMetrics } from './metrics.ts'

export interface ChunkReaderComponents {
  readonly memory: ChunkMemory
  readonly dropper: ChunkDropper
  readonly metrics: StoreMetrics
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
  readonly #loading = new Map<string, Promise<Uint8Array>>()

  constructor(components: ChunkReaderComponents) {
    this.#components = components
  }

  async read(blob: BlobState, offset: number, length: number, options: AbortOptions = {}): Promise<Uint8Array> {
    const pieces = piecesOf(blob, offset, length)
    options.signal?.throwIfAborted()
    const [only] = pieces
    if (only === undefined) return new Uint8Array()
    if (pieces.length === 1) return await this.#readPiece(blob, only)
    const bytes = Buffer.allocUnsafeSlow(length)
    let filled = 0
    for (const piece of pieces) {
      options.signal?.throwIfAborted()
      await this.#readPieceInto(bytes.subarray(filled, filled + piece.lengthBytes), blob, piece)
      filled += piece.lengthBytes
    }
    return bytes
  }

  async #readPieceInto(target: Buffer, blob: BlobState, piece: Piece): Promise<void> {
    if (piece.isWhole) await this.#readDisk(target, blob, piece.chunk, 0)
    else target.set(await this.#readPiece(blob, piece))
  }

  async #readPiece(blob: BlobState, piece: Piece): Promise<Uint8Array> {
    const { chunk, from, lengthBytes } = piece
    const key = keyOf(blob, chunk)
    if (piece.isWhole) return await this.#load(blob, chunk, key)
    if (!this.#components.memory.fits(blob.layout.lengthOf(chunk))) {
      const bytes = Buffer.allocUnsafeSlow(lengthBytes)
      await this.#readDisk(bytes, blob, chunk, from)
      return bytes
    }
    const whole = this.#components.memory.get(key) ?? (await this.#loadAndKeep(blob, chunk, key))
    return whole.subarray(from, from + lengthBytes)
  }

  async #loadAndKeep(blob: BlobState, chunk: number, key: string): Promise<Uint8Array> {
    const bytes = await this.#load(blob, chunk, key)
    this.#components.memory.set(key, bytes)
    return bytes
  }

  async #load(blob: BlobState, chunk: number, key: string): Promise<Uint8Array> {
    const underWay = this.#loading.get(key)
    if (underWay !== undefined) return await underWay
    const bytes = Buffer.allocUnsafeSlow(blob.layout.lengthOf(chunk))
    const loading = this.#readDisk(bytes, blob, chunk, 0).then(() => bytes)
    this.#loading.set(key, loading)
    try {
      return await loading
    } finally {
      this.#loading.delete(key)
    }
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
  return digest.toString('latin1')
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
