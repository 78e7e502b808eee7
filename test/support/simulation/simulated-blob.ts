import { gridLayout, type SignedChunkMap } from '../../../src/chunking/index.ts'
import { type BlobRef, type Digest, digestOf, sha256 } from '../../../src/core/index.ts'
import type { ChunkStore, StoredBlob } from '../../../src/scheduler/index.ts'

/** A blob of the simulation: its chunks are all-zero buffers that only their identity tells apart. */
export class SimulatedContent {
  readonly ref: BlobRef
  readonly layout
  readonly #chunks: Uint8Array[]
  readonly #digests: Uint8Array[]
  static readonly #digestOf = new WeakMap<Uint8Array, Uint8Array>()

  constructor(name: string, sizeBytes: number) {
    this.ref = { digest: digestOf(Buffer.from(name)), sizeBytes }
    this.layout = gridLayout(sizeBytes)
    // One page shared by all: nothing reads the bytes, and a thousand agents must fit in memory.
    const shared = new ArrayBuffer(this.layout.lengthOf(0))
    this.#chunks = Array.from({ length: this.layout.chunkCount }, (_, n) => new Uint8Array(shared, 0, this.layout.lengthOf(n)))
    this.#digests = this.#chunks.map((_, n) => sha256(Buffer.from(`${name} ${n}`)))
    for (const [n, bytes] of this.#chunks.entries()) SimulatedContent.#digestOf.set(bytes, this.#digests[n] as Uint8Array)
  }

  bytesOf(chunk: number): Uint8Array {
    return this.#chunks[chunk] as Uint8Array
  }

  digestAt(chunk: number): Uint8Array {
    return this.#digests[chunk] as Uint8Array
  }

  /** The simulation's hash: knows the digest of its own chunks and calls everything else wrong. */
  static hash(bytes: Uint8Array): Uint8Array {
    return SimulatedContent.#digestOf.get(bytes) ?? new Uint8Array(32)
  }
}

class SimulatedBlob implements StoredBlob {
  readonly ref: BlobRef
  readonly layout
  readonly #content: SimulatedContent
  readonly #held = new Set<number>()
  isComplete = false
  map: SignedChunkMap | undefined

  constructor(content: SimulatedContent) {
    this.ref = content.ref
    this.layout = content.layout
    this.#content = content
  }

  get heldCount(): number {
    return this.#held.size
  }

  has(chunk: number): boolean {
    return this.#held.has(chunk)
  }

  digestAt(chunk: number): Uint8Array | undefined {
    return this.#held.has(chunk) ? this.#content.digestAt(chunk) : undefined
  }

  async write(chunk: number): Promise<void> {
    this.#held.add(chunk)
  }

  async read(offset: number): Promise<Uint8Array> {
    return this.#content.bytesOf(this.layout.chunkAt(offset))
  }

  async adopt(): Promise<boolean> {
    return false
  }

  async setMap(map: SignedChunkMap): Promise<void> {
    this.map = map
  }

  async verifyWhole(): Promise<boolean> {
    this.isComplete = true
    return true
  }

  release(): void {}
}

/** A store in memory that holds what it is given. */
export class SimulatedStore implements ChunkStore {
  readonly #contents: ReadonlyMap<Digest, SimulatedContent>
  readonly #blobs = new Map<Digest, SimulatedBlob>()

  constructor(contents: readonly SimulatedContent[]) {
    this.#contents = new Map(contents.map((content) => [content.ref.digest, content]))
  }

  async open(ref: BlobRef): Promise<StoredBlob> {
    const existing = this.#blobs.get(ref.digest)
    if (existing !== undefined) return existing
    const content = this.#contents.get(ref.digest)
    if (content === undefined) throw new Error(`the simulation has no blob ${ref.digest}`)
    const blob = new SimulatedBlob(content)
    this.#blobs.set(ref.digest, blob)
    return blob
  }

  find(digest: Digest): { sizeBytes: number; heldCount: number } | undefined {
    const blob = this.#blobs.get(digest)
    return blob === undefined ? undefined : { sizeBytes: blob.ref.sizeBytes, heldCount: blob.heldCount }
  }
}
