import type { ChunkLayout } from './layout.ts'

/** Most chunks in one blob: a chunk map stays at 128 KiB and a bitfield at 512 bytes, each one small message. */
export const MAX_CHUNKS = 4096

/** Smallest chunk of the grid: one disk read or one message at the price per byte of larger ones, and still below 10 ms at 1 Gbit/s. */
const MIN_CHUNK_BYTES = 1024 * 1024

/** Largest blob the swarm carries: its chunks are 256 MiB, the most an agent can hold in memory at a time. */
export const MAX_BLOB_BYTES = 2 ** 40

/** Chunks of one size, the last one shorter. */
export class GridLayout implements ChunkLayout {
  readonly kind = 'grid'
  readonly fingerprint = ''
  readonly sizeBytes: number
  readonly chunkBytes: number
  readonly chunkCount: number

  constructor(sizeBytes: number, chunkBytes: number) {
    this.sizeBytes = sizeBytes
    this.chunkBytes = chunkBytes
    this.chunkCount = Math.ceil(sizeBytes / chunkBytes)
  }

  get maxChunkBytes(): number {
    return Math.min(this.chunkBytes, this.sizeBytes)
  }

  offsetOf(chunk: number): number {
    this.#check(chunk)
    return chunk * this.chunkBytes
  }

  lengthOf(chunk: number): number {
    this.#check(chunk)
    return Math.min(this.chunkBytes, this.sizeBytes - chunk * this.chunkBytes)
  }

  chunkAt(offset: number): number {
    if (!(offset >= 0 && offset < this.sizeBytes))
      throw new RangeError(`offset ${offset} is outside ${this.sizeBytes} bytes`)
    return Math.floor(offset / this.chunkBytes)
  }

  #check(chunk: number): void {
    if (!Number.isInteger(chunk) || chunk < 0 || chunk >= this.chunkCount) {
      throw new RangeError(`chunk ${chunk} is outside ${this.chunkCount} chunks`)
    }
  }
}

/**
 * The layout every peer computes from the size alone: chunks of 1 MiB, doubled until there are at most 4096.
 * Throws a RangeError for a size that is not a whole number from 0 to `MAX_BLOB_BYTES`.
 */
export function gridLayout(sizeBytes: number): GridLayout {
  if (!Number.isInteger(sizeBytes) || sizeBytes < 0 || sizeBytes > MAX_BLOB_BYTES) {
    throw new RangeError(`a blob has 0 to ${MAX_BLOB_BYTES} bytes, got ${sizeBytes}`)
  }
  let chunkBytes = MIN_CHUNK_BYTES
  while (Math.ceil(sizeBytes / chunkBytes) > MAX_CHUNKS) chunkBytes *= 2
  return new GridLayout(sizeBytes, chunkBytes)
}
