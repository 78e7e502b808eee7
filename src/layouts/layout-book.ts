import { LRUCache } from 'lru-cache'
import type { ChunkLayout } from '../chunking/index.ts'
import type { BlobRef, Digest } from '../core/index.ts'

/** Chunk ends kept over all layouts, eight bytes each: those of some thousand layers. */
const MAX_ENDS = 1_000_000

/** That a layer is cut by the grid for want of its table of contents is forgotten after this, and may be tried again. */
const GRID_MS = 600_000

/** How blobs are to be cut when they are begun. Bounded: what is forgotten is found out once more, or cut by the grid. */
export class LayoutBook {
  readonly #layouts = new LRUCache<Digest, ChunkLayout>({
    maxSize: MAX_ENDS,
    sizeCalculation: ({ chunkCount }) => chunkCount + 64,
  })

  /** The layout that was settled for the blob; `undefined` when none was. */
  layoutOf({ digest, sizeBytes }: BlobRef): ChunkLayout | undefined {
    const layout = this.#layouts.get(digest)
    return layout?.sizeBytes === sizeBytes ? layout : undefined
  }

  settle({ digest }: BlobRef, layout: ChunkLayout): void {
    this.#layouts.set(digest, layout, layout.kind === 'grid' ? { ttl: GRID_MS } : {})
  }
}
