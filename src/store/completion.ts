import type { AbortOptions } from '../core/index.ts'
import { abortable } from '../util/index.ts'
import type { BlobFiles } from './blob-files.ts'
import type { BlobRemover } from './blob-remover.ts'
import type { BlobState } from './blob-state.ts'
import { ChunkNotHeldError, StoreFailedError, storeFailure } from './errors.ts'
import type { FileSystem } from './file-system.ts'
import type { Space } from './space.ts'
import type { Verifier } from './verifier.ts'

export interface CompletionComponents {
  readonly verifier: Verifier
  readonly remover: BlobRemover
  readonly space: Space
  readonly files: FileSystem
  /** Files for a blob that begins again. */
  readonly freshFiles: (blob: BlobState) => BlobFiles
}

/** Decides whether a blob whose chunks are all held is the blob it should be. One check at a time for each blob, whoever asks. */
export class Completion {
  readonly #components: CompletionComponents
  readonly #running = new Map<BlobState, Promise<boolean>>()

  constructor(components: CompletionComponents) {
    this.#components = components
  }

  /** `all held -> complete` (true), or `all held -> empty` (false). An abort leaves the check to whoever else waits for it. */
  async verify(blob: BlobState, options: AbortOptions): Promise<boolean> {
    options.signal?.throwIfAborted()
    if (blob.isComplete) return true
    for (let chunk = 0; chunk < blob.layout.chunkCount; chunk++)
      if (!blob.has(chunk)) throw new ChunkNotHeldError(chunk)
    const running = this.#running.get(blob) ?? this.#start(blob)
    return await abortable(running, options.signal)
  }

  #start(blob: BlobState): Promise<boolean> {
    const running = this.#run(blob).finally(() => this.#running.delete(blob))
    this.#running.set(blob, running)
    return running
  }

  async #run(blob: BlobState): Promise<boolean> {
    const { verifier, remover, space, freshFiles } = this.#components
    blob.borrowers++
    try {
      const outcome = await verifier.checkWhole(blob)
      if (outcome === 'matches') await this.#seal(blob)
      if (outcome === 'differs') await space.exclusive(() => remover.reset(blob, freshFiles(blob)))
      if (outcome === 'unreadable') throw new StoreFailedError('blob could not be read back in full')
      return outcome === 'matches'
    } finally {
      blob.borrowers--
    }
  }

  async #seal(blob: BlobState): Promise<void> {
    try {
      await this.#components.verifier.seal(blob)
      if (blob.heldCount === blob.layout.chunkCount) {
        blob.isComplete = true
        return
      }
      await this.#components.files.remove(blob.paths.done)
    } catch (error) {
      throw storeFailure('sync of a blob', error)
    }
    throw new StoreFailedError('blob lost a chunk while it was synced')
  }
}
