import { type ChunkLayout, gridLayout } from '../chunking/index.ts'
import type { BlobRef } from '../core/index.ts'

/** Where the chunks of a blob begin and end here; of one that nothing more is known of, where the size says. */
export type LayoutOf = (ref: BlobRef) => ChunkLayout

/** Knows every blob by its size alone. */
export const gridLayoutOf: LayoutOf = (ref) => gridLayout(ref.sizeBytes)

/** How a layout is named in a message: the grid is not. */
export function namedLayout({ fingerprint }: ChunkLayout): { layout?: string } {
  return fingerprint === '' ? {} : { layout: fingerprint }
}

/** Whether the sender of a message cuts its blob at the same places as `layout`. */
export function isCutAlike(message: { readonly layout?: string | undefined }, layout: ChunkLayout): boolean {
  return (message.layout ?? '') === layout.fingerprint
}
