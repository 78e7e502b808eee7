import { createCipheriv } from 'node:crypto'
import { gridLayout } from '../../../src/chunking/index.ts'
import { type BlobRef, digestOf, sha256 } from '../../../src/core/index.ts'

/** Different chunks kept in memory and used over and over: 64 MiB of them do not fit into a processor's cache. */
const POOL_CHUNKS = 64

/** Bytes at either end of a chunk that the receiver compares: enough to tell chunks apart, too few to cost anything. */
const EDGE_BYTES = 64

/** A blob of noise that every process makes for itself from nothing but its size. */
export class Payload {
  readonly ref: BlobRef
  readonly chunkCount: number
  readonly #layout
  readonly #pool: readonly Uint8Array[]
  readonly #digests: readonly Uint8Array[]

  constructor(sizeBytes: number) {
    this.#layout = gridLayout(sizeBytes)
    this.chunkCount = this.#layout.chunkCount
    this.ref = { digest: digestOf(Buffer.from(`noise of ${sizeBytes} bytes`)), sizeBytes }
    const count = Math.min(POOL_CHUNKS, this.chunkCount)
    this.#pool = Array.from({ length: count }, (_, index) => noise(index, this.#layout.lengthOf(0)))
    this.#digests = this.#pool.map((chunk) => sha256(chunk))
  }

  /** The bytes of a chunk; a view of what other chunks are made of too. */
  bytesOf(chunk: number): Uint8Array {
    const bytes = this.#pool[chunk % this.#pool.length]
    if (bytes === undefined) throw new RangeError('a payload has at least one chunk')
    return bytes.subarray(0, this.#layout.lengthOf(chunk))
  }

  /** A raw sha256 to go along with the chunk, which nobody checks: that of the bytes, but for a short last chunk. */
  digestOf(chunk: number): Uint8Array {
    const digest = this.#digests[chunk % this.#digests.length]
    if (digest === undefined) throw new RangeError('a payload has at least one chunk')
    return digest
  }
}

/** Takes one chunk in pieces and throws unless its length and its first and last bytes are right. */
export class ChunkCheck {
  readonly #expected: Uint8Array
  #receivedBytes = 0

  constructor(payload: Payload, chunk: number) {
    this.#expected = payload.bytesOf(chunk)
  }

  get missingBytes(): number {
    return this.#expected.byteLength - this.#receivedBytes
  }

  take(piece: Uint8Array): void {
    if (piece.byteLength > this.missingBytes) throw new Error('a chunk is longer than it should be')
    this.#compare(piece, 0, EDGE_BYTES)
    this.#compare(piece, this.#expected.byteLength - EDGE_BYTES, this.#expected.byteLength)
    this.#receivedBytes += piece.byteLength
  }

  /** Throws unless all has come. */
  finish(): void {
    if (this.missingBytes > 0) throw new Error(`${this.missingBytes} bytes of a chunk are missing`)
  }

  /** Compares the part of `piece` that lies between two positions in the chunk. */
  #compare(piece: Uint8Array, from: number, to: number): void {
    const start = Math.max(from, this.#receivedBytes)
    const end = Math.min(to, this.#receivedBytes + piece.byteLength)
    if (start >= end) return
    const part = piece.subarray(start - this.#receivedBytes, end - this.#receivedBytes)
    if (Buffer.compare(part, this.#expected.subarray(start, end)) !== 0) throw new Error('a chunk has wrong bytes')
  }
}

/** Bytes that do not compress and are the same in every process: the key stream of AES in counter mode. */
function noise(index: number, sizeBytes: number): Uint8Array {
  const iv = Buffer.alloc(16)
  // The upper half of the counter, so that no two streams overlap.
  iv.writeUInt32BE(index, 0)
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, 'shoal'), iv).update(Buffer.alloc(sizeBytes))
}
