import { createHash } from 'node:crypto'
import { MAX_BLOB_BYTES, MAX_CHUNKS } from './grid-layout.ts'
import type { ChunkLayout } from './layout.ts'

/** Separates fingerprints from other hashes; another way of computing them gets a new one. */
const FINGERPRINT_DOMAIN = 'shoal cut v1\n'

/** Bytes of a fingerprint: it tells apart the few cuts that one blob may have, and nothing is believed because of it. */
export const FINGERPRINT_BYTES = 8

/** Chunks that end where the table of contents of the blob, and what was merged, let them end. */
export class TocLayout implements ChunkLayout {
  readonly kind = 'toc'
  readonly fingerprint: string
  readonly sizeBytes: number
  readonly chunkCount: number
  readonly maxChunkBytes: number
  /** The byte after each chunk, ascending. */
  readonly #ends: Float64Array

  /** `ends` is the byte after each chunk, taken over. Throws a RangeError unless they ascend to a size that can be cut, in at most `MAX_CHUNKS` steps. */
  constructor(ends: Float64Array) {
    const sizeBytes = ends.at(-1) ?? 0
    if (ends.length > MAX_CHUNKS) throw new RangeError(`${ends.length} chunks, the limit is ${MAX_CHUNKS}`)
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes > MAX_BLOB_BYTES)
      throw new RangeError(`a blob of ${sizeBytes} bytes`)
    let start = 0
    let longest = 0
    for (const end of ends) {
      if (!Number.isInteger(end) || end <= start) throw new RangeError(`a chunk from ${start} to ${end}`)
      longest = Math.max(longest, end - start)
      start = end
    }
    this.sizeBytes = sizeBytes
    this.chunkCount = ends.length
    this.maxChunkBytes = longest
    this.#ends = ends
    this.fingerprint = fingerprintOf(ends)
  }

  offsetOf(chunk: number): number {
    this.#check(chunk)
    return this.#ends[chunk - 1] ?? 0
  }

  lengthOf(chunk: number): number {
    this.#check(chunk)
    return (this.#ends[chunk] ?? 0) - (this.#ends[chunk - 1] ?? 0)
  }

  chunkAt(offset: number): number {
    if (!(offset >= 0 && offset < this.sizeBytes))
      throw new RangeError(`offset ${offset} is outside ${this.sizeBytes} bytes`)
    let [low, high] = [0, this.chunkCount - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#ends[middle] ?? 0) > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  #check(chunk: number): void {
    if (!Number.isInteger(chunk) || chunk < 0 || chunk >= this.chunkCount) {
      throw new RangeError(`chunk ${chunk} is outside ${this.chunkCount} chunks`)
    }
  }
}

function fingerprintOf(ends: Float64Array): string {
  const hash = createHash('sha256').update(FINGERPRINT_DOMAIN)
  const numbers = Buffer.alloc(ends.length * 8)
  ends.forEach((end, index) => numbers.writeBigUInt64BE(BigInt(end), index * 8))
  return hash
    .update(numbers)
    .digest('hex')
    .slice(0, FINGERPRINT_BYTES * 2)
}
