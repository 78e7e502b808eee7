/**
 * Where the chunks of one blob begin and end. Chunks are numbered from 0 in the order of their bytes, cover the blob
 * without gaps, and none is empty; an empty blob has no chunks.
 */
export interface ChunkLayout {
  /** How the blob was cut; part of a chunk map, since both ends must cut alike. */
  readonly kind: 'grid' | 'toc'
  /** The same for two layouts of one blob exactly if they cut it at the same places; empty for the grid, which the size tells. */
  readonly fingerprint: string
  readonly sizeBytes: number
  readonly chunkCount: number
  /** Bytes of the longest chunk; 0 without chunks. */
  readonly maxChunkBytes: number
  /** First byte of chunk `chunk`. */
  offsetOf(chunk: number): number
  /** Bytes in chunk `chunk`. */
  lengthOf(chunk: number): number
  /** The chunk that holds byte `offset`, for 0 <= offset < sizeBytes. */
  chunkAt(offset: number): number
}
