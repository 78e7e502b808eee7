/**
 * Where the chunks of one blob begin and end. Chunks are numbered from 0 in the order of their bytes, cover the blob
 * without gaps, and none is empty; an empty blob has no chunks.
 */
export interface ChunkLayout {
  /** How the blob was cut; part of a chunk map, since both ends must cut alike. */
  readonly kind: 'grid'
  readonly sizeBytes: number
  readonly chunkCount: number
  /** First byte of chunk `chunk`. */
  offsetOf(chunk: number): number
  /** Bytes in chunk `chunk`. */
  lengthOf(chunk: number): number
  /** The chunk that holds byte `offset`, for 0 <= offset < sizeBytes. */
  chunkAt(offset: number): number
}
