import { type ChunkLayout, type Cutter, decodeSignedChunkMap } from '../chunking/index.ts'
import { type AbortOptions, type BlobRef, type Clock, type Digest, ShoalError } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { abortable } from '../util/index.ts'
import { BlobFiles } from './blob-files.ts'
import type { BlobRemover } from './blob-remover.ts'
import { BlobState } from './blob-state.ts'
import type { Catalogue } from './catalogue.ts'
import { BlobSizeConflictError } from './errors.ts'
import type { FilePool } from './file-pool.ts'
import type { FileSystem } from './file-system.ts'
import type { StorePaths } from './paths.ts'
import { isEvictable, type Space } from './space.ts'
import type { UseTimes } from './use-times.ts'
import type { Verifier } from './verifier.ts'

export interface BlobDeskComponents {
  readonly catalogue: Catalogue
  readonly space: Space
  readonly remover: BlobRemover
  readonly verifier: Verifier
  readonly useTimes: UseTimes
  readonly paths: StorePaths
  readonly files: FileSystem
  readonly pool: FilePool
  readonly cutter: Cutter
  /** A layout that was found out for the blob; where there is none it is cut by `cutter`. */
  readonly layoutOf: (ref: BlobRef) => ChunkLayout | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/** Gives blobs out and takes them back: admission, pins, and what has to be read and checked before the first use. */
export class BlobDesk {
  readonly #components: BlobDeskComponents
  readonly #ready = new Map<BlobState, Promise<void>>()

  constructor(components: BlobDeskComponents) {
    this.#components = components
  }

  /** The blob, pinned, checked, with its map; to be given back with `release`. */
  async take(ref: BlobRef, options: AbortOptions): Promise<BlobState> {
    options.signal?.throwIfAborted()
    const known = this.#takeKnown(ref)
    const blob = known ?? (await this.#admitUnless(ref, options.signal))
    try {
      await abortable(this.#whenReady(blob), options.signal)
      return blob
    } catch (error) {
      this.release(blob)
      throw error
    }
  }

  release(blob: BlobState): void {
    const { catalogue, clock, useTimes } = this.#components
    blob.pins--
    blob.lastUsedMs = clock.wallTime()
    if (blob.pins > 0) return
    this.#ready.delete(blob)
    blob.map = undefined
    if (blob.files.exists) useTimes.note(blob)
    else if (blob.borrowers === 0 && blob.heldCount === 0) catalogue.delete(blob)
  }

  /** False when there is no such blob or it is in use. */
  async remove(digest: Digest): Promise<boolean> {
    const { catalogue, remover, space } = this.#components
    return await space.exclusive(async () => {
      const blob = catalogue.get(digest)
      if (blob === undefined || !isEvictable(blob)) return false
      await remover.remove(blob)
      return true
    })
  }

  freshFiles(ref: BlobRef, layout: ChunkLayout): BlobFiles {
    const paths = this.#components.paths.blob(ref.digest)
    return new BlobFiles({ ref, layout, paths, exists: false }, this.#components)
  }

  /** A blob that needs no room made for it is taken without waiting for those that do. */
  #takeKnown(ref: BlobRef): BlobState | undefined {
    const blob = this.#components.catalogue.get(ref.digest)
    if (blob === undefined || blob.isLeaving || blob.ref.sizeBytes !== ref.sizeBytes) return undefined
    if (blob.pins === 0 && blob.heldCount < blob.layout.chunkCount) return undefined
    return this.#pin(blob)
  }

  /** Admission goes on after an abort; what it pins is given back then. */
  async #admitUnless(ref: BlobRef, signal: AbortSignal | undefined): Promise<BlobState> {
    const admitting = this.#components.space.exclusive(() => this.#admit(ref))
    try {
      return await abortable(admitting, signal)
    } catch (error) {
      admitting.then(
        (blob) => this.release(blob),
        () => {},
      )
      throw error
    }
  }

  async #admit(ref: BlobRef): Promise<BlobState> {
    const { catalogue, remover, space } = this.#components
    const stored = catalogue.get(ref.digest)
    if (stored !== undefined && stored.ref.sizeBytes !== ref.sizeBytes) {
      if (stored.isComplete || !isEvictable(stored))
        throw new BlobSizeConflictError(ref.sizeBytes, stored.ref.sizeBytes)
      await remover.remove(stored)
    }
    const blob = this.#pin(catalogue.get(ref.digest) ?? this.#create(ref))
    try {
      await space.makeRoom(0)
      return blob
    } catch (error) {
      this.release(blob)
      throw error
    }
  }

  #create(ref: BlobRef): BlobState {
    const { catalogue, cutter, layoutOf, paths, clock } = this.#components
    const layout = layoutOf(ref) ?? cutter.cut(ref)
    const files = this.freshFiles(ref, layout)
    const blob = new BlobState({ ref, layout, paths: paths.blob(ref.digest), files, lastUsedMs: clock.wallTime() })
    catalogue.add(blob)
    return blob
  }

  #pin(blob: BlobState): BlobState {
    blob.pins++
    blob.lastUsedMs = this.#components.clock.wallTime()
    return blob
  }

  async #whenReady(blob: BlobState): Promise<void> {
    const preparing = this.#ready.get(blob) ?? this.#prepare(blob)
    this.#ready.set(blob, preparing)
    try {
      await preparing
    } catch (error) {
      if (this.#ready.get(blob) === preparing) this.#ready.delete(blob)
      throw error
    }
  }

  async #prepare(blob: BlobState): Promise<void> {
    await this.#components.verifier.checkSuspects(blob)
    if (blob.files.exists) blob.map ??= await this.#readMap(blob)
  }

  async #readMap(blob: BlobState): Promise<BlobState['map']> {
    const { files, logger } = this.#components
    const bytes = await files.readFile(blob.paths.map)
    if (bytes === undefined) return undefined
    try {
      return await decodeSignedChunkMap(bytes)
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
      logger.warn({ err: error, blob: blob.ref.digest }, 'removed a damaged chunk map')
      await files.remove(blob.paths.map)
      return undefined
    }
  }
}
