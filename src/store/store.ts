import { type ChunkLayout, type Cutter, gridCutter } from '../chunking/index.ts'
import type { AbortOptions, BlobRef, Clock, Digest, OriginRef, StartTrace } from '../core/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { type Buffers, freshBuffers } from '../util/index.ts'
import { BlobDesk } from './blob-desk.ts'
import { BlobRemover } from './blob-remover.ts'
import type { BlobState } from './blob-state.ts'
import { Catalogue } from './catalogue.ts'
import { ChunkDropper } from './chunk-dropper.ts'
import { ChunkMemory } from './chunk-memory.ts'
import { ChunkReader } from './chunk-reader.ts'
import { ChunkWriter } from './chunk-writer.ts'
import { Completion } from './completion.ts'
import { DirectoryLock } from './directory-lock.ts'
import { DocumentStore, type StoredDocument } from './document-store.ts'
import { StoreFailedError, storeFailure } from './errors.ts'
import { FilePool } from './file-pool.ts'
import type { FileSystem } from './file-system.ts'
import { type Hasher, WorkerHasher } from './hasher.ts'
import { IndexDatabase } from './index-database.ts'
import { storeMetrics } from './metrics.ts'
import { nodeFileSystem } from './node-file-system.ts'
import { OpenBlob } from './open-blob.ts'
import { OriginNotes, type SeenAt, type TagNote } from './origin-notes.ts'
import { StorePaths } from './paths.ts'
import { recoverBlobs } from './recovery.ts'
import { Space } from './space.ts'
import { type TraceNote, TraceNotes } from './trace-notes.ts'
import { UseTimes } from './use-times.ts'
import { Verifier } from './verifier.ts'

export interface StoreInit {
  readonly dir: string
  /** Most bytes the store takes on disk, what is reserved for open blobs included. */
  readonly quotaBytes: number
  /** Bytes of the disk that are always left to others. */
  readonly minFreeBytes: number
  /** Most bytes of chunks kept in memory, 0 for none; chunks larger than an eighth of it are never kept. */
  readonly memoryBytes: number
}

export interface StoreComponents {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  /** The higher, the fewer others have the blob; such blobs are evicted last. 0 for all when left out. */
  readonly rarity?: (digest: Digest) => number
  /** Told of each blob that was evicted or removed. */
  readonly onRemoved?: (digest: Digest) => void
  readonly cutter?: Cutter
  /** A layout that was found out for a blob that is begun now; where there is none it is cut by `cutter`. */
  readonly layoutOf?: (ref: BlobRef) => ChunkLayout | undefined
  readonly files?: FileSystem
  readonly hasher?: Hasher
  /** For chunks that are read; without it each has a buffer of its own. */
  readonly buffers?: Buffers
}

/** What the store knows of a blob without opening it. */
export interface BlobSummary {
  readonly digest: Digest
  readonly sizeBytes: number
  /** Chunks on record; those of an unclean stop are checked when the blob is opened, and may become fewer then. */
  readonly heldCount: number
  readonly chunkCount: number
  readonly isComplete: boolean
  /** Epoch milliseconds. */
  readonly lastUsedMs: number
  readonly bytesOnDisk: number
}

/** How much the store takes. */
export interface StoreUsage {
  readonly quotaBytes: number
  /** On disk, documents included. */
  readonly usedBytes: number
  /** Kept free for what is open. */
  readonly reservedBytes: number
  /** Chunks kept in memory. */
  readonly memoryBytes: number
  readonly memoryLimitBytes: number
  readonly blobCount: number
  readonly documentCount: number
}

interface StoreParts {
  readonly init: StoreInit
  readonly clock: Clock
  readonly catalogue: Catalogue
  readonly documents: DocumentStore
  readonly notes: OriginNotes
  readonly traces: TraceNotes
  readonly space: Space
  readonly desk: BlobDesk
  readonly handles: ConstructorParameters<typeof OpenBlob>[1]
  readonly useTimes: UseTimes
  readonly memory: ChunkMemory
  readonly pool: FilePool
  readonly hasher: Hasher
  readonly database: IndexDatabase
  readonly lock: DirectoryLock
}

/** Blobs in chunks, documents and notes of origins, on one disk, bounded, and checked after whatever happened to the process. */
export class Store {
  readonly #parts: StoreParts
  #isClosed = false

  private constructor(parts: StoreParts) {
    this.#parts = parts
  }

  /** Opens the directory, making it when it is new, and finds out what it holds. Throws a StoreLockedError when it is in use. */
  static async open(init: StoreInit, components: StoreComponents, options: AbortOptions = {}): Promise<Store> {
    const files = components.files ?? nodeFileSystem
    const paths = new StorePaths(init.dir)
    await files.makeDirectory(paths.blobs)
    const lock = new DirectoryLock(init.dir, paths)
    const database = new IndexDatabase(paths.index, components.logger)
    try {
      const store = new Store(await openParts(init, components, { files, paths, lock, database }))
      options.signal?.throwIfAborted()
      return store
    } catch (error) {
      database.close()
      lock.release()
      throw error
    }
  }

  /** Opens a blob, creating it empty where it is new, and pins it until it is released. Throws a StoreFullError when there is no room. */
  async open(ref: BlobRef, options: AbortOptions = {}): Promise<OpenBlob> {
    this.#checkOpen()
    const { desk, handles } = this.#parts
    try {
      return new OpenBlob(await desk.take(ref, options), handles)
    } catch (error) {
      options.signal?.throwIfAborted()
      throw error instanceof RangeError ? error : storeFailure('opening of a blob', error)
    }
  }

  /** What is stored of the blob, without pinning it; `undefined` when nothing is. */
  find(digest: Digest): BlobSummary | undefined {
    const blob = this.#parts.catalogue.get(digest)
    return blob !== undefined && isStored(blob) ? summaryOf(blob) : undefined
  }

  /** How the blob is cut here, from the moment it was first opened until it is removed; `undefined` when it is not here. */
  layoutOf({ digest, sizeBytes }: BlobRef): ChunkLayout | undefined {
    const blob = this.#parts.catalogue.get(digest)
    return blob?.ref.sizeBytes === sizeBytes ? blob.layout : undefined
  }

  /** All blobs of which something is stored, without pinning them. */
  list(): readonly BlobSummary[] {
    return [...this.#parts.catalogue.blobs()].filter(isStored).map(summaryOf)
  }

  /** Whether the rest of a blob fits below the high-water mark, so that nothing would be evicted for it. */
  async hasRoomFor({ digest, sizeBytes }: BlobRef): Promise<boolean> {
    const { catalogue, space } = this.#parts
    const blob = catalogue.get(digest)
    // What is open has its room reserved already.
    const restBytes = blob === undefined ? sizeBytes : blob.pins > 0 ? 0 : Math.max(0, sizeBytes - blob.bytesOnDisk)
    return await space.isRoomy(restBytes)
  }

  /** Removes a blob; false when there is none or it is in use, also by a blob that shares its chunks. */
  async remove(digest: Digest): Promise<boolean> {
    this.#checkOpen()
    return await this.#parts.desk.remove(digest)
  }

  usage(): StoreUsage {
    const { init, catalogue, documents, memory } = this.#parts
    return {
      quotaBytes: init.quotaBytes,
      usedBytes: catalogue.usedBytes() + documents.usedBytes,
      reservedBytes: catalogue.reservedBytes(),
      memoryBytes: memory.usedBytes,
      memoryLimitBytes: init.memoryBytes,
      blobCount: catalogue.count,
      documentCount: documents.entries().length,
    }
  }

  /** Keeps a manifest or an index of at most 4 MiB. Throws a DocumentInvalidError when it does not match its digest, a StoreFullError when there is no room. */
  async putDocument(document: StoredDocument): Promise<void> {
    this.#checkOpen()
    const { documents, space, clock } = this.#parts
    documents.check(document)
    if (documents.has(document.digest)) return
    try {
      await space.exclusive(async () => {
        await space.makeRoom(documents.bytesFor(document))
        await documents.put(document, clock.wallTime())
      })
    } catch (error) {
      throw storeFailure('write of a document', error)
    }
  }

  /** The document, checked against its digest again; `undefined` when it is not there. */
  async getDocument(digest: Digest): Promise<StoredDocument | undefined> {
    this.#checkOpen()
    try {
      return await this.#parts.documents.get(digest, this.#parts.clock.wallTime())
    } catch (error) {
      throw storeFailure('read of a document', error)
    }
  }

  /** Notes what a tag points to. Notes may be lost, the oldest first. */
  putTag(origin: OriginRef, tag: string, note: TagNote): void {
    this.#notes()?.putTag(origin, tag, note)
  }

  getTag(origin: OriginRef, tag: string): TagNote | undefined {
    return this.#notes()?.getTag(origin, tag)
  }

  /** Notes that `digest` was seen in a repository. */
  noteHistory(digest: Digest, seen: SeenAt): void {
    this.#notes()?.noteHistory(digest, seen)
  }

  /** Where `digest` was seen, latest first, at most 16 places. */
  historyOf(digest: Digest): readonly SeenAt[] {
    return this.#notes()?.historyOf(digest) ?? []
  }

  /** Notes that anybody may read the repository, as of now. */
  noteAccess(origin: OriginRef): void {
    this.#notes()?.noteAccess(origin)
  }

  /** Forgets that anybody may read the repository, since the origin has refused somebody. */
  forgetAccess(origin: OriginRef): void {
    this.#notes()?.forgetAccess(origin)
  }

  /** Epoch milliseconds at which it was last confirmed that anybody may read the repository. */
  access(origin: OriginRef): number | undefined {
    return this.#notes()?.access(origin)
  }

  /** Notes in which order a layer is read at a start. */
  putTrace(digest: Digest, trace: StartTrace): void {
    if (!this.#isClosed) this.#parts.traces.put(digest, trace)
  }

  getTrace(digest: Digest): TraceNote | undefined {
    return this.#isClosed ? undefined : this.#parts.traces.get(digest)
  }

  /** Waits for what is under way and gives the directory up. Handles that are still out fail from now on. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const { space, hasher, pool, memory, useTimes, catalogue, documents, database, lock } = this.#parts
    await hasher.close()
    await space.exclusive(async () => {})
    await pool.closeAll()
    memory.clear()
    useTimes.replaceAll([...catalogue.blobs()].filter(isStored), documents.entries())
    database.close()
    lock.release()
  }

  #notes(): OriginNotes | undefined {
    return this.#isClosed ? undefined : this.#parts.notes
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StoreFailedError('store is closed')
  }
}

interface OpenedDirectory {
  readonly files: FileSystem
  readonly paths: StorePaths
  readonly lock: DirectoryLock
  readonly database: IndexDatabase
}

async function openParts(init: StoreInit, components: StoreComponents, opened: OpenedDirectory): Promise<StoreParts> {
  const { clock, logger, rarity = () => 0, cutter = gridCutter, layoutOf = () => undefined } = components
  const { files, paths, database } = opened
  const hasher = components.hasher ?? new WorkerHasher(clock)
  const pool = new FilePool()
  const catalogue = new Catalogue()
  const documents = new DocumentStore({ paths, files, logger })
  const metrics = storeMetrics(components.metrics, () => ({
    usedBytes: catalogue.usedBytes() + documents.usedBytes,
    reservedBytes: catalogue.reservedBytes(),
    blobCount: catalogue.count,
  }))
  const dropper = new ChunkDropper({ catalogue, files, metrics, logger })
  const verifier = new Verifier({ hasher, dropper, files })
  const remover = new BlobRemover({ catalogue, dropper, files, logger, onRemoved: components.onRemoved })
  const space = new Space({ ...init, rarity }, { catalogue, documents, remover, files, metrics, logger })
  const useTimes = new UseTimes(database)
  const memory = new ChunkMemory(init.memoryBytes, metrics)
  const base = { catalogue, space, remover, verifier, useTimes, paths, files, pool, cutter, layoutOf, clock, logger }
  const desk = new BlobDesk(base)
  const freshFiles = (blob: BlobState) => desk.freshFiles(blob.ref, blob.layout)
  const handles = {
    files,
    reader: new ChunkReader({ memory, dropper, metrics, buffers: components.buffers ?? freshBuffers }),
    writer: new ChunkWriter({ catalogue, verifier, space, metrics }),
    completion: new Completion({ verifier, remover, space, files, freshFiles }),
    onRelease: (blob: BlobState) => desk.release(blob),
  }
  await recoverBlobs({ ...base, lastUsedOf: (digest) => useTimes.blob(digest) })
  await documents.recover((digest) => useTimes.document(digest))
  useTimes.replaceAll(catalogue.blobs(), documents.entries())
  const notes = new OriginNotes({ database, clock })
  const traces = new TraceNotes({ database, clock })
  return {
    ...opened,
    init,
    clock,
    catalogue,
    documents,
    notes,
    traces,
    space,
    desk,
    handles,
    useTimes,
    memory,
    pool,
    hasher,
  }
}

/** The blobs worth speaking of: not those that were opened and have nothing yet. */
function isStored(blob: BlobState): boolean {
  return (blob.heldCount > 0 || blob.isComplete) && !blob.isLeaving
}

function summaryOf(blob: BlobState): BlobSummary {
  return {
    digest: blob.ref.digest,
    sizeBytes: blob.ref.sizeBytes,
    heldCount: blob.heldCount,
    chunkCount: blob.layout.chunkCount,
    isComplete: blob.isComplete,
    lastUsedMs: blob.lastUsedMs,
    bytesOnDisk: blob.bytesOnDisk,
  }
}
