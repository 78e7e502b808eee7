import { type Digest, sha256 } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import type { BlobFiles } from './blob-files.ts'
import type { BlobState, ChunkPlace } from './blob-state.ts'
import type { Catalogue } from './catalogue.ts'
import type { ChunkDropper } from './chunk-dropper.ts'
import { encodeRecord, recordOffset } from './chunk-records.ts'
import { StoreFailedError } from './errors.ts'
import type { FileSystem } from './file-system.ts'
import type { BlobPaths } from './paths.ts'

export interface BlobRemoverComponents {
  readonly catalogue: Catalogue
  readonly dropper: ChunkDropper
  readonly files: FileSystem
  readonly logger: Logger
  /** Told of each blob that is gone, also when it was found wrong and begins again. */
  readonly onRemoved?: ((digest: Digest) => void) | undefined
}

/**
 * Removes blobs, or everything in one, after the chunks that others take from it have been moved to one of them. Its
 * callers see to it that only one removal runs at a time.
 */
export class BlobRemover {
  readonly #components: BlobRemoverComponents

  constructor(components: BlobRemoverComponents) {
    this.#components = components
  }

  /** `stored -> leaving -> gone`. Throws a StoreFailedError and leaves the blob as it was when a blob in use would lose a chunk. */
  async remove(blob: BlobState): Promise<void> {
    blob.isLeaving = true
    try {
      await this.#moveAliased(blob, 'keep-pinned')
    } catch (error) {
      blob.isLeaving = false
      throw error
    }
    const lost = this.#components.catalogue.delete(blob)
    blob.files.retire()
    await this.#removeFiles(blob.paths)
    await this.#components.dropper.forget(lost)
    this.#components.onRemoved?.(blob.ref.digest)
  }

  /** `all held -> empty`: every chunk and the map are dropped, the blob stays open with `fresh` files. */
  async reset(blob: BlobState, fresh: BlobFiles): Promise<void> {
    blob.isLeaving = true
    try {
      await this.#moveAliased(blob, 'drop')
      const lost = this.#components.catalogue.clear(blob)
      blob.files.retire()
      blob.map = undefined
      await this.#removeFiles(blob.paths)
      blob.files = fresh
      await this.#components.dropper.forget(lost)
      this.#components.onRemoved?.(blob.ref.digest)
    } finally {
      blob.isLeaving = false
    }
  }

  async #moveAliased(blob: BlobState, onFailure: 'keep-pinned' | 'drop'): Promise<void> {
    for (const [chunk, aliases] of [...blob.aliases]) {
      const targets = aliases.filter((alias) => alias.blob !== blob && !alias.blob.isLeaving)
      if (targets.length === 0 || (await this.#moveToOneOf(targets, { blob, chunk }))) continue
      if (onFailure === 'keep-pinned' && targets.some((target) => target.blob.pins > 0)) {
        throw new StoreFailedError('a chunk that is in use elsewhere could not be moved')
      }
    }
  }

  async #moveToOneOf(targets: readonly ChunkPlace[], from: ChunkPlace): Promise<boolean> {
    const { logger, dropper } = this.#components
    for (const target of targets) {
      try {
        const bytes = await readVerified(from)
        if (bytes === undefined) {
          await dropper.drop(from)
          return true
        }
        if (await this.#move(from, target, bytes)) return true
      } catch (error) {
        logger.warn({ err: error, blob: target.blob.ref.digest, chunk: target.chunk }, 'could not move a shared chunk')
      }
    }
    return false
  }

  /** Bytes before record, both synced where the blob was sealed, so that it stays whole through a loss of power. */
  async #move(from: ChunkPlace, target: ChunkPlace, bytes: Uint8Array): Promise<boolean> {
    const { blob, chunk } = target
    return await blob.serialize(chunk, async () => {
      const digest = blob.digestAt(chunk)
      if (digest === undefined || blob.holders.get(chunk)?.blob !== from.blob) return false
      const record = encodeRecord(chunk, { state: 'own', digest })
      await blob.files.use(async (open) => {
        await open.data.write(bytes, blob.layout.offsetOf(chunk))
        if (blob.isComplete) await open.data.sync()
        await open.chunks.write(record, recordOffset(chunk))
        if (blob.isComplete) await open.chunks.sync()
      })
      if (blob.isLeaving || blob.holders.get(chunk)?.blob !== from.blob) return false
      this.#components.catalogue.promote(target)
      return true
    })
  }

  /** Marker first and bytes last: at no point do files claim what is gone. */
  async #removeFiles(paths: BlobPaths): Promise<void> {
    try {
      for (const path of [paths.done, paths.chunks, paths.cut, paths.map, paths.data])
        await this.#components.files.remove(path)
    } catch (error) {
      this.#components.logger.error({ err: error, path: paths.chunks }, 'could not remove the files of a blob')
    }
  }
}

async function readVerified({ blob, chunk }: ChunkPlace): Promise<Uint8Array | undefined> {
  const digest = Buffer.from(blob.digestAt(chunk) ?? [])
  const bytes = Buffer.allocUnsafeSlow(blob.layout.lengthOf(chunk))
  await blob.files.use((open) => open.data.read(bytes, blob.layout.offsetOf(chunk)))
  return digest.equals(sha256(bytes)) ? bytes : undefined
}
