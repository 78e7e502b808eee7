import { type ChunkLayout, ChunkMapError, encodeSignedChunkMap, type SignedChunkMap } from '../chunking/index.ts'
import type { AbortOptions, BlobRef } from '../core/index.ts'
import type { Lease } from '../util/index.ts'
import { writeAtomic } from './atomic-file.ts'
import type { BlobState } from './blob-state.ts'
import type { ChunkReader } from './chunk-reader.ts'
import type { ChunkWriter } from './chunk-writer.ts'
import type { Completion } from './completion.ts'
import { StoreFailedError, storeFailure } from './errors.ts'
import type { FileSystem } from './file-system.ts'

export interface OpenBlobComponents {
  readonly reader: ChunkReader
  readonly writer: ChunkWriter
  readonly completion: Completion
  readonly files: FileSystem
  readonly onRelease: (blob: BlobState) => void
}

/** Maps take turns among themselves under a number that no chunk has. */
const MAP_TURN = -1

/** One user's hold on a blob. All handles of one blob see the same state; it is not evicted before the last `release`. */
export class OpenBlob {
  readonly #blob: BlobState
  readonly #components: OpenBlobComponents
  #isReleased = false

  constructor(blob: BlobState, components: OpenBlobComponents) {
    this.#blob = blob
    this.#components = components
  }

  get ref(): BlobRef {
    return this.#blob.ref
  }

  get layout(): ChunkLayout {
    return this.#blob.layout
  }

  get heldCount(): number {
    return this.#blob.heldCount
  }

  /** All chunks are held and the sha256 of the whole blob was checked. */
  get isComplete(): boolean {
    return this.#blob.isComplete
  }

  get map(): SignedChunkMap | undefined {
    return this.#blob.map
  }

  has(chunk: number): boolean {
    return this.#blob.has(chunk)
  }

  /** The sha256 of a held chunk; the caller's own copy. */
  digestAt(chunk: number): Uint8Array | undefined {
    const digest = this.#blob.digestAt(chunk)
    return digest && new Uint8Array(digest)
  }

  /**
   * Stores bytes the caller has verified to have `chunkDigest`; once this resolves the chunk counts as held. Does not keep
   * `bytes`, which must not change before. A chunk that is held stays as it is. Throws a StoreFullError or a
   * StoreFailedError, and the chunk is not held then.
   */
  async write(chunk: number, bytes: Uint8Array, chunkDigest: Uint8Array): Promise<void> {
    await this.#use((blob) => this.#components.writer.write(blob, chunk, bytes, chunkDigest))
  }

  /**
   * Bytes [offset, offset + length), which the caller may keep but not change. Throws a ChunkNotHeldError when they are not
   * all held, and a StoreFailedError when the disk fails; what it lost is not held any more then.
   */
  async read(offset: number, length: number, options?: AbortOptions): Promise<Uint8Array> {
    return (await this.lend(offset, length, options)).bytes
  }

  /** As `read`, but the caller gives the bytes back when it is done with them. */
  async lend(offset: number, length: number, options?: AbortOptions): Promise<Lease> {
    return await this.#use((blob) => this.#components.reader.read(blob, offset, length, options))
  }

  /**
   * Bytes of a whole chunk that have `digest`, and of which parts are read: a share of them is kept in memory, so that its
   * neighbours need no disk once the chunk is held.
   */
  remember(digest: Uint8Array, payload: Lease): void {
    if (!this.#isReleased) this.#components.reader.remember(digest, payload)
  }

  /** Whether these bytes of one chunk would not be read from disk. */
  isInMemory(offset: number, length: number): boolean {
    return this.#components.reader.isInMemory(this.#blob, offset, length)
  }

  /** Whether a chunk with this digest is on record anywhere here. */
  canAdopt(chunkDigest: Uint8Array): boolean {
    return this.#components.writer.canAdopt(chunkDigest)
  }

  /** Takes over a chunk that is already held under `chunkDigest` elsewhere, without copying; false when none is. */
  async adopt(chunk: number, chunkDigest: Uint8Array): Promise<boolean> {
    return await this.#use((blob) => this.#components.writer.adopt(blob, chunk, chunkDigest))
  }

  /** Keeps the map with the blob. Throws a ChunkMapError when it is another blob's. */
  async setMap(map: SignedChunkMap): Promise<void> {
    await this.#use(async (blob) => {
      checkMap(map, blob)
      await blob.serialize(MAP_TURN, () => this.#writeMap(blob, map))
    })
  }

  /**
   * Hashes the whole blob off the main thread: true completes it and survives a loss of power, false has dropped every
   * chunk and the map. Throws a ChunkNotHeldError when a chunk is missing.
   */
  async verifyWhole(options: AbortOptions = {}): Promise<boolean> {
    return await this.#use((blob) => this.#components.completion.verify(blob, options))
  }

  /** Gives the hold up; a second call does nothing. What is under way is finished first. */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#components.onRelease(this.#blob)
  }

  async #writeMap(blob: BlobState, map: SignedChunkMap): Promise<void> {
    try {
      // Makes the files, so that the map is not taken for a left-over.
      await blob.files.use(async () => {})
      await writeAtomic(this.#components.files, blob.paths.map, encodeSignedChunkMap(map), { isDurable: false })
    } catch (error) {
      throw storeFailure('write of a chunk map', error)
    }
    blob.map = map
  }

  async #use<T>(work: (blob: BlobState) => Promise<T>): Promise<T> {
    if (this.#isReleased) throw new StoreFailedError('blob was released')
    this.#blob.borrowers++
    try {
      return await work(this.#blob)
    } finally {
      this.#blob.borrowers--
    }
  }
}

function checkMap({ map }: SignedChunkMap, { ref, layout }: BlobState): void {
  const isSameBlob = map.blobDigest === ref.digest && map.sizeBytes === ref.sizeBytes
  if (!isSameBlob || map.layout.fingerprint !== layout.fingerprint || map.chunkCount !== layout.chunkCount) {
    throw new ChunkMapError('chunk map is of another blob')
  }
}
