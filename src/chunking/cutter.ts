import type { BlobRef } from '../core/index.ts'
import { gridLayout } from './grid-layout.ts'
import type { ChunkLayout } from './layout.ts'

/** Decides where a blob is cut. All peers that trade a blob use the same kind, so the kind is part of its chunk map. */
export interface Cutter {
  readonly kind: ChunkLayout['kind']
  /** The layout of the blob; throws a RangeError when its size cannot be cut. */
  cut(ref: BlobRef): ChunkLayout
}

/** Cuts by size alone, so that a range of a blob nobody has mapped yet can be asked for at once. */
export const gridCutter: Cutter = {
  kind: 'grid',
  cut: (ref) => gridLayout(ref.sizeBytes),
}
