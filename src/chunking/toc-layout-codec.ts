import { ChunkLayoutError } from './errors.ts'
import { MAX_CHUNKS } from './grid-layout.ts'
import type { ChunkLayout } from './layout.ts'
import { TocLayout } from './toc-layout.ts'

/** Longest encoding: every length below 2^41 takes at most six bytes. */
export const MAX_TOC_LAYOUT_BYTES = MAX_CHUNKS * 6

/** The lengths of the chunks in order, seven bits a byte, the lowest first, as protobuf's varints. */
export function encodeTocLayout(layout: ChunkLayout): Uint8Array {
  const bytes: number[] = []
  for (let chunk = 0; chunk < layout.chunkCount; chunk++) {
    let rest = layout.lengthOf(chunk)
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
    bytes.push(rest)
  }
  return Uint8Array.from(bytes)
}

/** The layout that `bytes` spell for a blob of `sizeBytes`; throws a ChunkLayoutError when they are none of such a blob. */
export function decodeTocLayout(bytes: Uint8Array, sizeBytes: number): TocLayout {
  if (bytes.byteLength > MAX_TOC_LAYOUT_BYTES) throw new ChunkLayoutError(`layout of ${bytes.byteLength} bytes`)
  const ends: number[] = []
  let [end, length, scale] = [0, 0, 1]
  for (const byte of bytes) {
    length += (byte & 0x7f) * scale
    scale *= 0x80
    if (byte >= 0x80) continue
    end += length
    if (length > sizeBytes || end > sizeBytes) throw new ChunkLayoutError('a chunk past the end of its blob')
    ends.push(end)
    length = 0
    scale = 1
  }
  if (scale !== 1 || end !== sizeBytes) throw new ChunkLayoutError('layout does not end with its blob')
  try {
    return new TocLayout(Float64Array.from(ends))
  } catch (cause) {
    throw new ChunkLayoutError('layout of chunks that cannot be', cause)
  }
}
