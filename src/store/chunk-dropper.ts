import type { Logger } from '../telemetry/index.ts'
import type { ChunkPlace } from './blob-state.ts'
import type { Catalogue } from './catalogue.ts'
import { ABSENT_RECORD, recordOffset } from './chunk-records.ts'
import type { FileSystem } from './file-system.ts'
import type { StoreMetrics } from './metrics.ts'

export interface ChunkDropperComponents {
  readonly catalogue: Catalogue
  readonly files: FileSystem
  readonly metrics: StoreMetrics
  readonly logger: Logger
}

/** Takes chunks out that cannot be read or are not what their digest says, in memory at once and then on disk. */
export class ChunkDropper {
  readonly #components: ChunkDropperComponents

  constructor(components: ChunkDropperComponents) {
    this.#components = components
  }

  /** The chunk and all aliases of it are not held from now on; resolves when the files say so too, as far as the disk lets them. */
  async drop(place: ChunkPlace): Promise<void> {
    const { catalogue, metrics, logger } = this.#components
    const dropped = catalogue.drop(place)
    metrics.droppedChunks.inc(dropped.length)
    if (dropped.length > 0) logger.warn({ blob: place.blob.ref.digest, chunk: place.chunk }, 'dropped a damaged chunk')
    await this.forget(dropped)
  }

  /** Makes the files forget places that the catalogue has already taken out. */
  async forget(places: readonly ChunkPlace[]): Promise<void> {
    await Promise.all(places.map((place) => this.#forget(place)))
  }

  /** Waits its turn with writes of the same chunk: the blob can only be whole again after the marker is gone. */
  async #forget({ blob, chunk }: ChunkPlace): Promise<void> {
    const { files, logger } = this.#components
    const blobFiles = blob.files
    try {
      await blob.serialize(chunk, async () => {
        if (blob.has(chunk) || blob.isLeaving || blob.files !== blobFiles) return
        await files.remove(blob.paths.done)
        await blobFiles.use((open) => open.chunks.write(ABSENT_RECORD, recordOffset(chunk)))
      })
    } catch (error) {
      // What is left on disk is checked again at the next start, or dropped again at the next failing read.
      logger.error({ err: error, blob: blob.ref.digest, chunk }, 'could not take a damaged chunk off the disk')
    }
  }
}
