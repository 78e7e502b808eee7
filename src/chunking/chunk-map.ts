import { type BlobRef, type Digest, SHA256_BYTES } from '../core/index.ts'
import { ChunkMapError } from './errors.ts'
import type { ChunkLayout } from './layout.ts'

export interface ChunkMapInit {
  readonly blob: BlobRef
  readonly layout: ChunkLayout
  /** The sha256 of every chunk, 32 bytes each, one after the other; taken over, not copied. */
  readonly digests: Uint8Array
}

/** The ordered chunk digests of one blob. Says nothing about who made it; see `SignedChunkMap`. */
export class ChunkMap {
  readonly blob: BlobRef
  readonly layout: ChunkLayout
  /** Packed, 32 bytes a chunk; not to be changed. */
  readonly digests: Uint8Array

  /** Throws a ChunkMapError unless there is exactly one digest for each chunk of a layout of the blob's size. */
  constructor(init: ChunkMapInit) {
    if (init.layout.sizeBytes !== init.blob.sizeBytes) throw new ChunkMapError('layout and blob differ in size')
    if (init.digests.byteLength !== init.layout.chunkCount * SHA256_BYTES) {
      throw new ChunkMapError(
        `a map of ${init.layout.chunkCount} chunks has ${init.layout.chunkCount * SHA256_BYTES} bytes of digests, got ${init.digests.byteLength}`,
      )
    }
    this.blob = init.blob
    this.layout = init.layout
    this.digests = init.digests
  }

  get blobDigest(): Digest {
    return this.blob.digest
  }

  get sizeBytes(): number {
    return this.blob.sizeBytes
  }

  get chunkCount(): number {
    return this.layout.chunkCount
  }

  /** The raw sha256 of `chunk`, a view that is not to be changed; `undefined` for a number that is no chunk. */
  digestAt(chunk: number): Uint8Array | undefined {
    if (!Number.isInteger(chunk) || chunk < 0 || chunk >= this.chunkCount) return undefined
    return this.digests.subarray(chunk * SHA256_BYTES, (chunk + 1) * SHA256_BYTES)
  }

  /** Whether both maps say the same of the same blob. */
  equals(other: ChunkMap): boolean {
    return (
      this.blobDigest === other.blobDigest &&
      this.sizeBytes === other.sizeBytes &&
      this.layout.kind === other.layout.kind &&
      this.layout.fingerprint === other.layout.fingerprint &&
      Buffer.compare(this.digests, other.digests) === 0
    )
  }
}
