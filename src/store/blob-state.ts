import { Bitfield, type ChunkLayout, type SignedChunkMap } from '../chunking/index.ts'
import { type BlobRef, SHA256_BYTES } from '../core/index.ts'
import type { BlobFiles } from './blob-files.ts'
import { HEADER_BYTES, RECORD_BYTES } from './chunk-records.ts'
import type { BlobPaths } from './paths.ts'

/** A chunk of a blob. */
export interface ChunkPlace {
  readonly blob: BlobState
  readonly chunk: number
}

export interface BlobStateInit {
  readonly ref: BlobRef
  readonly layout: ChunkLayout
  readonly paths: BlobPaths
  readonly files: BlobFiles
  readonly lastUsedMs: number
}

/**
 * What is known of one blob, in memory: which chunks it holds, in its own file or as an alias of another place, who uses
 * it. Chunks are entered and taken out by the catalogue only, which keeps the two ends of an alias in step.
 */
export class BlobState {
  readonly ref: BlobRef
  readonly layout: ChunkLayout
  readonly paths: BlobPaths
  files: BlobFiles
  map: SignedChunkMap | undefined
  isComplete = false
  /** Being removed: gives nothing to others any more and is opened again only when it is gone. */
  isLeaving = false
  /** Handles on it; a pinned blob is not evicted. */
  pins = 0
  /** Short uses by other blobs, which keep it from being evicted without asking for room. */
  borrowers = 0
  lastUsedMs: number
  /** Chunks in the own file whose bytes were not checked since an unclean stop. */
  readonly suspects = new Set<number>()
  /** For each alias here, where the bytes are. */
  readonly holders = new Map<number, ChunkPlace>()
  /** For each chunk in the own file, the aliases of it, in this and other blobs. */
  readonly aliases = new Map<number, ChunkPlace[]>()

  readonly #own: Bitfield
  readonly #digests: Buffer
  readonly #tails = new Map<number, Promise<void>>()
  #ownBytes = 0
  #aliasBytes = 0

  constructor(init: BlobStateInit) {
    this.ref = init.ref
    this.layout = init.layout
    this.paths = init.paths
    this.files = init.files
    this.lastUsedMs = init.lastUsedMs
    this.#own = new Bitfield(init.layout.chunkCount)
    this.#digests = Buffer.alloc(init.layout.chunkCount * SHA256_BYTES)
  }

  get heldCount(): number {
    return this.#own.count + this.holders.size
  }

  /** Bytes written for it, its `.chunks` file included; holes and aliases take none. */
  get bytesOnDisk(): number {
    return this.files.exists ? this.#ownBytes + this.#recordBytes : 0
  }

  /** What is kept free for it while it is open. */
  get reservedBytes(): number {
    if (this.pins === 0) return 0
    return this.ref.sizeBytes - this.#ownBytes - this.#aliasBytes + (this.files.exists ? 0 : this.#recordBytes)
  }

  has(chunk: number): boolean {
    return this.#own.has(chunk) || this.holders.has(chunk)
  }

  /** Whether the bytes are in the own file. */
  hasOwn(chunk: number): boolean {
    return this.#own.has(chunk)
  }

  ownChunks(): Iterable<number> {
    return this.#own.indices()
  }

  /** Where the bytes of `chunk` are; `undefined` when it is not held. */
  placeOf(chunk: number): ChunkPlace | undefined {
    return this.#own.has(chunk) ? { blob: this, chunk } : this.holders.get(chunk)
  }

  /** The digest of a held chunk, a view. */
  digestAt(chunk: number): Buffer | undefined {
    return this.has(chunk) ? this.#digestSlot(chunk) : undefined
  }

  /** A chunk in the own file with this digest. */
  ownChunkWith(digest: Uint8Array): number | undefined {
    for (let at = this.#digests.indexOf(digest); at >= 0; at = this.#digests.indexOf(digest, at + 1)) {
      if (at % SHA256_BYTES === 0 && this.#own.has(at / SHA256_BYTES)) return at / SHA256_BYTES
    }
    return undefined
  }

  /** Runs `work` after what was started for the same chunk before. */
  async serialize<T>(chunk: number, work: () => Promise<T>): Promise<T> {
    const run = (this.#tails.get(chunk) ?? Promise.resolve()).then(work)
    const tail = run.then(
      () => {},
      () => {},
    )
    this.#tails.set(chunk, tail)
    try {
      return await run
    } finally {
      if (this.#tails.get(chunk) === tail) this.#tails.delete(chunk)
    }
  }

  /** For the catalogue: enters a chunk of the own file. */
  enterOwn(chunk: number, digest: Uint8Array): void {
    this.#digestSlot(chunk).set(digest)
    this.#own.set(chunk)
    this.#ownBytes += this.layout.lengthOf(chunk)
  }

  /** For the catalogue: enters an alias. */
  enterAlias(chunk: number, digest: Uint8Array, holder: ChunkPlace): void {
    this.#digestSlot(chunk).set(digest)
    this.holders.set(chunk, holder)
    this.#aliasBytes += this.layout.lengthOf(chunk)
  }

  /** For the catalogue: takes out a chunk of either sort. */
  takeOut(chunk: number): void {
    if (this.#own.has(chunk)) this.#ownBytes -= this.layout.lengthOf(chunk)
    if (this.holders.delete(chunk)) this.#aliasBytes -= this.layout.lengthOf(chunk)
    this.#own.clear(chunk)
    this.suspects.delete(chunk)
  }

  get #recordBytes(): number {
    return HEADER_BYTES + this.layout.chunkCount * RECORD_BYTES
  }

  #digestSlot(chunk: number): Buffer {
    return this.#digests.subarray(chunk * SHA256_BYTES, (chunk + 1) * SHA256_BYTES)
  }
}
