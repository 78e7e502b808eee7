import { ShoalError } from './errors.ts'
import type { PeerRef } from './peer.ts'

/** The peer has no upload slot free; ask again after `waitMs`, or one of `alternates` now. */
export class PeerBusyError extends ShoalError {
  readonly waitMs: number
  readonly alternates: readonly PeerRef[]

  constructor(waitMs: number, alternates: readonly PeerRef[]) {
    super(`peer is busy for ${waitMs} ms`, { code: 'PEER_BUSY', blame: 'local', retryable: true, isUsual: true })
    this.waitMs = waitMs
    this.alternates = alternates
  }
}

/** The peer does not hold the chunk (any more). */
export class PeerLacksChunkError extends ShoalError {
  constructor() {
    super('peer does not hold the chunk', {
      code: 'PEER_LACKS_CHUNK',
      blame: 'local',
      retryable: false,
      isUsual: true,
    })
  }
}

/** The peer is gone or its stream broke. */
export class PeerClosedError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'PEER_CLOSED', blame: 'local', retryable: true, cause })
  }
}

/** The peer did not begin to answer, or stopped in the middle, for longer than its deadline. */
export class PeerStalledError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'PEER_STALLED', blame: 'peer', retryable: true, cause })
  }
}

/** The peer broke the protocol: a malformed or oversized frame, a chunk nobody asked for, a length that does not fit. */
export class PeerProtocolError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'PEER_PROTOCOL', blame: 'peer', retryable: false, cause })
  }
}
