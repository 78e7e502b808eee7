/**
 * Where blobs are cut and what their chunks are called: layouts, chunk maps, their signatures, bitfields.
 * Promise: pure values; every decoder bounds its input and throws one class of error; a signed map that was decoded has a
 * signature that holds. Owns no state.
 */
export { Bitfield } from './bitfield.ts'
export { ChunkMap, type ChunkMapInit } from './chunk-map.ts'
export { decodeChunkMap, encodeChunkMap, MAX_MAP_BYTES } from './chunk-map-codec.ts'
export { type Cutter, gridCutter } from './cutter.ts'
export { BitfieldError, ChunkLayoutError, ChunkMapError } from './errors.ts'
export { GridLayout, gridLayout, MAX_BLOB_BYTES, MAX_CHUNKS } from './grid-layout.ts'
export type { ChunkLayout } from './layout.ts'
export { cutAlongToc, type TocMembers } from './toc-cut.ts'
export { FINGERPRINT_BYTES, TocLayout } from './toc-layout.ts'
export { decodeTocLayout, encodeTocLayout } from './toc-layout-codec.ts'
export {
  decodeSignedChunkMap,
  encodeSignedChunkMap,
  type SignedChunkMap,
  type Signer,
  signChunkMap,
} from './signed-chunk-map.ts'
