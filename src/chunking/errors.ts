import { ShoalError } from '../core/index.ts'

/** Bytes that are not a chunk map, or a map whose signature does not hold: whoever sent it is at fault. */
export class ChunkMapError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'CHUNK_MAP_INVALID', blame: 'peer', retryable: false, cause })
  }
}

/** Bytes that are not a bitfield of the blob they are said to describe. */
export class BitfieldError extends ShoalError {
  constructor(message: string) {
    super(message, { code: 'BITFIELD_INVALID', blame: 'peer', retryable: false })
  }
}

/** Bytes that are not the layout of the blob they are said to be of. */
export class ChunkLayoutError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'CHUNK_LAYOUT_INVALID', blame: 'peer', retryable: false, cause })
  }
}
