import { type ChunkLayout, GridLayout, gridLayout, type SignedChunkMap } from '../../../src/chunking/index.ts'
import { type BlobRef, type Digest, digestOf, sha256, ShoalError } from '../../../src/core/index.ts'
import type { ChunkStore, StoredBlob } from '../../../src/scheduler/index.ts'
import { type Lease, unpooled } from '../../../src/util/index.ts'

/**
 * A blob of the simulation. Large ones are all-zero buffers that only their identity tells apart, so that a thousand
 * agents fit in memory; with `SimulatedContent.real` every byte is its own.
 */
export class SimulatedContent {
  readonly ref: BlobRef
  readonly layout: ChunkLayout
  readonly #chunks: readonly Uint8Array[]
  readonly #digests: readonly Uint8Array[]
  static readonly #digestOf = new WeakMap<Uint8Array, Uint8Array>()

  constructor(name: string, sizeBytes: number, real?: { readonly layout: ChunkLayout; readonly bytes: Uint8Array }) {
    this.ref = { digest: digestOf(Buffer.from(name)), sizeBytes }
    this.layout = real?.layout ?? gridLayout(sizeBytes)
    const { layout } = this
    const shared = new ArrayBuffer(real === undefined ? layout.lengthOf(0) : 0)
    const cut = (chunk: number) => {
      const start = layout.offsetOf(chunk)
      return (
        real?.bytes.slice(start, start + layout.lengthOf(chunk)) ?? new Uint8Array(shared, 0, layout.lengthOf(chunk))
      )
    }
    this.#chunks = Array.from({ length: layout.chunkCount }, (_, chunk) => cut(chunk))
    this.#digests = this.#chunks.map((bytes, n) => sha256(real === undefined ? Buffer.from(`${name} ${n}`) : bytes))
    if (real !== undefined) return
    for (const [n, bytes] of this.#chunks.entries()) SimulatedContent.#digestOf.set(bytes, this.digestAt(n))
  }

  /** A small blob of `bytes`, cut every `chunkBytes`. */
  static real(name: string, bytes: Uint8Array, chunkBytes: number): SimulatedContent {
    return new SimulatedContent(name, bytes.byteLength, { layout: new GridLayout(bytes.byteLength, chunkBytes), bytes })
  }

  bytesOf(chunk: number): Uint8Array {
    return this.#chunks[chunk] as Uint8Array
  }

  /** The part of `chunk` that lies in `range`; the chunk's own buffer, which the hash knows, when all of it does. */
  bytesWithin(chunk: number, range: { readonly start: number; readonly end: number }): Uint8Array {
    const [first, bytes] = [this.layout.offsetOf(chunk), this.bytesOf(chunk)]
    if (range.start <= first && range.end >= first + bytes.byteLength) return bytes
    return bytes.subarray(Math.max(0, range.start - first), range.end - first)
  }

  digestAt(chunk: number): Uint8Array {
    return this.#digests[chunk] as Uint8Array
  }

  /** sha256, but for the chunks that only their identity tells apart. */
  static hash(bytes: Uint8Array): Uint8Array {
    return SimulatedContent.#digestOf.get(bytes) ?? sha256(bytes)
  }
}

class DiskFullError extends ShoalError {
  constructor() {
    super('the simulated disk is full', { code: 'DISK_FULL', blame: 'local', retryable: true })
  }
}

class SimulatedBlob implements StoredBlob {
  readonly ref: BlobRef
  readonly layout: ChunkLayout
  readonly #content: SimulatedContent
  readonly #store: SimulatedStore
  readonly #chunks = new Map<number, Uint8Array>()
  /** 1 for each chunk of the map: a plan asks for every one. */
  readonly #held: Uint8Array
  isComplete = false
  map: SignedChunkMap | undefined

  constructor(content: SimulatedContent, store: SimulatedStore) {
    this.ref = content.ref
    this.layout = content.layout
    this.#held = new Uint8Array(content.layout.chunkCount)
    this.#content = content
    this.#store = store
  }

  get heldCount(): number {
    return this.#chunks.size
  }

  has(chunk: number): boolean {
    return this.#held[chunk] === 1
  }

  digestAt(chunk: number): Uint8Array | undefined {
    const bytes = this.#chunks.get(chunk)
    return bytes === undefined ? undefined : SimulatedContent.hash(bytes)
  }

  async write(chunk: number, bytes: Uint8Array): Promise<void> {
    if (this.#store.isFull) throw new DiskFullError()
    await this.#store.written
    this.#chunks.set(chunk, bytes)
    this.#held[chunk] = 1
  }

  async lend(offset: number, length: number): Promise<Lease> {
    const chunk = this.layout.chunkAt(offset)
    const bytes = this.#chunks.get(chunk)
    if (bytes === undefined) throw new RangeError(`chunk ${chunk} is not held`)
    // Whole chunks keep their identity, by which the simulation's hash knows them.
    if (length === bytes.byteLength) return unpooled(bytes)
    const from = offset - this.layout.offsetOf(chunk)
    return unpooled(bytes.subarray(from, from + length))
  }

  canAdopt(): boolean {
    return false
  }

  async adopt(): Promise<boolean> {
    return false
  }

  async setMap(map: SignedChunkMap): Promise<void> {
    this.map = map
  }

  async verifyWhole(): Promise<boolean> {
    const isRight = (chunk: number) =>
      this.digestAt(chunk)?.every((byte, i) => byte === this.#content.digestAt(chunk)[i])
    this.isComplete = [...this.#chunks.keys()].every(isRight)
    if (!this.isComplete) {
      this.#chunks.clear()
      this.#held.fill(0)
    }
    return this.isComplete
  }

  release(): void {}
}

/** A store in memory that holds what it is given. */
export class SimulatedStore implements ChunkStore {
  /** What every write waits for: a slow disk. */
  written: Promise<void> | undefined
  readonly #contents: ReadonlyMap<Digest, SimulatedContent>
  readonly #blobs = new Map<Digest, SimulatedBlob>()
  /** Writes fail. */
  isFull = false

  constructor(contents: readonly SimulatedContent[]) {
    this.#contents = new Map(contents.map((content) => [content.ref.digest, content]))
  }

  async open(ref: BlobRef): Promise<StoredBlob> {
    const existing = this.#blobs.get(ref.digest)
    if (existing !== undefined) return existing
    const content = this.#contents.get(ref.digest)
    if (content === undefined) throw new Error(`the simulation has no blob ${ref.digest}`)
    const blob = new SimulatedBlob(content, this)
    this.#blobs.set(ref.digest, blob)
    return blob
  }

  find(digest: Digest): { sizeBytes: number; heldCount: number } | undefined {
    const blob = this.#blobs.get(digest)
    return blob === undefined ? undefined : { sizeBytes: blob.ref.sizeBytes, heldCount: blob.heldCount }
  }
}
