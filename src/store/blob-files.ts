import { type ChunkLayout, encodeTocLayout } from '../chunking/index.ts'
import type { BlobRef } from '../core/index.ts'
import { writeAtomic } from './atomic-file.ts'
import { encodeHeader } from './chunk-records.ts'
import { StoreFailedError } from './errors.ts'
import type { FilePool } from './file-pool.ts'
import type { FileSystem, StoreFile } from './file-system.ts'
import type { BlobPaths } from './paths.ts'

export interface BlobFilesInit {
  readonly ref: BlobRef
  readonly layout: ChunkLayout
  readonly paths: BlobPaths
  /** Whether the files are on disk; otherwise the first use makes them. */
  readonly exists: boolean
}

export interface BlobFilesComponents {
  readonly files: FileSystem
  readonly pool: FilePool
}

/** Handles of one blob, valid during one `use`. */
export interface OpenBlobFiles {
  readonly data: StoreFile
  readonly chunks: StoreFile
}

/**
 * The data and `.chunks` file of one blob from creation to removal. When a blob is dropped and begun again it gets a new
 * instance and new files: whoever still uses the old ones reads the old, right bytes and writes where it does no harm.
 */
export class BlobFiles {
  readonly #init: BlobFilesInit
  readonly #components: BlobFilesComponents
  #exists: boolean
  #open: Promise<OpenBlobFiles> | undefined
  #users = 0
  #isRetired = false

  constructor(init: BlobFilesInit, components: BlobFilesComponents) {
    this.#init = init
    this.#components = components
    this.#exists = init.exists
  }

  /** Whether there is anything on disk. */
  get exists(): boolean {
    return this.#exists
  }

  /** Runs `work` with open handles, which stay open until it settles. Throws a StoreFailedError once retired. */
  async use<T>(work: (open: OpenBlobFiles) => Promise<T>): Promise<T> {
    this.#users++
    this.#components.pool.markBusy(this)
    try {
      if (this.#isRetired) throw new StoreFailedError('blob was dropped meanwhile')
      if (this.#components.pool.isClosed) throw new StoreFailedError('store is closed')
      this.#open ??= this.#openFiles()
      return await work(await this.#open)
    } finally {
      this.#users--
      if (this.#users === 0) this.#rest()
    }
  }

  /** No new use from now on; the handles are closed after the last one. */
  retire(): void {
    this.#isRetired = true
    if (this.#users === 0) this.#rest()
  }

  /** For the pool. */
  async closeHandles(): Promise<void> {
    const opening = this.#open
    this.#open = undefined
    const open = await opening?.catch(() => undefined)
    if (open !== undefined) await closeBoth(open)
  }

  #rest(): void {
    if (this.#isRetired || this.#open === undefined) this.#components.pool.close(this)
    else this.#components.pool.markIdle(this)
  }

  async #openFiles(): Promise<OpenBlobFiles> {
    try {
      if (!this.#exists) return await this.#create()
      return await this.#openBoth('update')
    } catch (error) {
      this.#open = undefined
      throw error
    }
  }

  async #create(): Promise<OpenBlobFiles> {
    const { files } = this.#components
    const { ref, layout, paths } = this.#init
    await files.makeDirectory(paths.directory)
    // A removal that failed half-way may have left them; they would speak for bytes that are gone.
    await files.remove(paths.done)
    await files.remove(paths.map)
    await this.#writeCut()
    const open = await this.#openBoth('create')
    try {
      await open.data.truncate(ref.sizeBytes)
      await open.chunks.write(encodeHeader(ref, layout), 0)
    } catch (error) {
      await closeBoth(open)
      throw error
    }
    this.#exists = true
    return open
  }

  /** On disk before any record refers to it: without it the chunks have no places. */
  async #writeCut(): Promise<void> {
    const { files } = this.#components
    const { layout, paths } = this.#init
    if (layout.kind === 'grid') await files.remove(paths.cut)
    else await writeAtomic(files, paths.cut, encodeTocLayout(layout), { isDurable: true })
  }

  async #openBoth(mode: 'create' | 'update'): Promise<OpenBlobFiles> {
    const { files } = this.#components
    // The records go first: without them, whatever a crash leaves in the data file claims nothing.
    const chunks = await files.openFile(this.#init.paths.chunks, mode)
    try {
      return { chunks, data: await files.openFile(this.#init.paths.data, mode) }
    } catch (error) {
      await chunks.close()
      throw error
    }
  }
}

async function closeBoth(open: OpenBlobFiles): Promise<void> {
  await Promise.allSettled([open.data.close(), open.chunks.close()])
}
