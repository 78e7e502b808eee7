import type { BlobRef } from '../core/index.ts'
import { gridLayout } from './grid-layout.ts'
import type { ChunkLayout } from './layout.ts'

/** Decides where a blob is cut of which nothing but name and size is known. */
export interface Cutter {
  /** The layout of the blob; throws a RangeError when its size cannot be cut. */
  cut(ref: BlobRef): ChunkLayout
}

/** Cuts by size alone, so that a range of a blob nobody has mapped yet can be asked for at once. */
export const gridCutter: Cutter = {
  cut: (ref) => gridLayout(ref.sizeBytes),
}
