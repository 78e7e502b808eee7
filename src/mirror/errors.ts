import { ShoalError } from '../core/index.ts'

/** Nothing could be answered within the time a client of this kind is kept waiting for its first byte. */
export class FirstByteTimeoutError extends ShoalError {
  constructor(waitedMs: number) {
    super(`nothing to send after ${Math.round(waitedMs)} ms`, {
      code: 'MIRROR_FIRST_BYTE_TIMEOUT',
      blame: 'local',
      retryable: true,
    })
  }
}

/** A body's source gave nothing for too long. */
export class BodyStalledError extends ShoalError {
  constructor(waitedMs: number) {
    super(`the source of a body gave nothing for ${waitedMs} ms`, {
      code: 'MIRROR_BODY_STALLED',
      blame: 'local',
      retryable: true,
    })
  }
}

/** A body's source ended early, or gave more than was promised to the client. */
export class BodyLengthError extends ShoalError {
  constructor(expectedBytes: number, sentBytes: number) {
    super(`a body of ${expectedBytes} bytes had ${sentBytes}`, {
      code: 'MIRROR_BODY_LENGTH',
      blame: 'local',
      retryable: true,
    })
  }
}

/** The client took nothing for so long that its connection is given up. */
export class ClientStalledError extends ShoalError {
  constructor(waitedMs: number) {
    super(`the client read nothing for ${waitedMs} ms`, {
      code: 'MIRROR_CLIENT_STALLED',
      blame: 'caller',
      retryable: false,
    })
  }
}
