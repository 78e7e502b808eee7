import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { digestBytes, digestFromBytes, SHA256_BYTES } from '../core/index.ts'
import { ChunkMap } from './chunk-map.ts'
import { type ChunkMapMessage, ChunkMapMessageSchema, LayoutKind } from './chunk-map_pb.ts'
import { ChunkMapError } from './errors.ts'
import { gridLayout, MAX_BLOB_BYTES, MAX_CHUNKS } from './grid-layout.ts'
import type { ChunkLayout } from './layout.ts'
import { decodeTocLayout, encodeTocLayout, MAX_TOC_LAYOUT_BYTES } from './toc-layout-codec.ts'

/** Longest encoded map, signed or not: the digests and lengths of the most chunks, and room for the few short fields around them. */
export const MAX_MAP_BYTES = MAX_CHUNKS * SHA256_BYTES + MAX_TOC_LAYOUT_BYTES + 1024

const KIND_NUMBERS = { grid: LayoutKind.GRID, toc: LayoutKind.TOC } as const satisfies Record<
  ChunkLayout['kind'],
  LayoutKind
>

/** The map as protobuf bytes. */
export function encodeChunkMap(map: ChunkMap): Uint8Array {
  return toBinary(ChunkMapMessageSchema, chunkMapMessage(map))
}

/** The map that `bytes` spell, which are copied; throws a ChunkMapError when they are none or break a limit. */
export function decodeChunkMap(bytes: Uint8Array): ChunkMap {
  return chunkMapFromMessage(parseBounded(bytes, (bounded) => fromBinary(ChunkMapMessageSchema, bounded)))
}

export function chunkMapMessage(map: ChunkMap): ChunkMapMessage {
  return create(ChunkMapMessageSchema, {
    blobDigest: digestBytes(map.blobDigest),
    sizeBytes: BigInt(map.sizeBytes),
    layoutKind: KIND_NUMBERS[map.layout.kind],
    chunkDigests: map.digests,
    ...(map.layout.kind === 'toc' ? { tocLayout: encodeTocLayout(map.layout) } : {}),
  })
}

export function chunkMapFromMessage(message: ChunkMapMessage): ChunkMap {
  if (message.blobDigest.byteLength !== SHA256_BYTES)
    throw new ChunkMapError('blob digest of a chunk map is not a sha256')
  if (message.sizeBytes > BigInt(MAX_BLOB_BYTES))
    throw new ChunkMapError(`blob of a chunk map has ${message.sizeBytes} bytes`)
  const sizeBytes = Number(message.sizeBytes)
  return new ChunkMap({
    blob: { digest: digestFromBytes(message.blobDigest), sizeBytes },
    layout: layoutOf(message, sizeBytes),
    digests: message.chunkDigests,
  })
}

/** Runs a protobuf parser on a copy of `bytes` (its byte fields are views), its length checked first and its errors translated. */
export function parseBounded<T>(bytes: Uint8Array, parse: (bounded: Uint8Array) => T): T {
  if (bytes.byteLength > MAX_MAP_BYTES) throw new ChunkMapError(`chunk map of ${bytes.byteLength} bytes is too long`)
  try {
    return parse(bytes.slice())
  } catch (cause) {
    throw new ChunkMapError('chunk map is not valid protobuf', cause)
  }
}

function layoutOf({ layoutKind, tocLayout }: ChunkMapMessage, sizeBytes: number): ChunkLayout {
  switch (layoutKind) {
    case LayoutKind.GRID:
      return gridLayout(sizeBytes)
    case LayoutKind.TOC:
      return tocLayoutOf(tocLayout, sizeBytes)
    default:
      throw new ChunkMapError(`chunk map is cut in an unknown way (${layoutKind})`)
  }
}

function tocLayoutOf(bytes: Uint8Array, sizeBytes: number): ChunkLayout {
  try {
    return decodeTocLayout(bytes, sizeBytes)
  } catch (cause) {
    throw new ChunkMapError('chunk map has no valid layout', cause)
  }
}
