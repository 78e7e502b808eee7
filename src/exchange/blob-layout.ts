import { type ChunkLayout, gridLayout } from '../chunking/index.ts'
import type { BlobRef } from '../core/index.ts'

/** Where the chunks of `ref` begin and end: both ends of a lane know it from the size alone. */
export function layoutOf(ref: BlobRef): ChunkLayout {
  return gridLayout(ref.sizeBytes)
}
