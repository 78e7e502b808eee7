import { ShoalError } from '../core/index.ts'

/** What is wrong with a key file: it is not there, it is there although it was to be created, its text is no key, or the disk failed. */
export type KeyFileProblem = 'missing' | 'exists' | 'invalid' | 'io'

/** An identity or cluster key file that cannot be used; `path` and `problem` say which and why. */
export class KeyFileError extends ShoalError {
  readonly path: string
  readonly problem: KeyFileProblem

  constructor(path: string, problem: KeyFileProblem, reason: string, cause?: unknown) {
    super(`${path}: ${reason}`, { code: `KEY_FILE_${problem.toUpperCase()}`, blame: 'local', retryable: false, cause })
    this.path = path
    this.problem = problem
  }
}

/** Text that is no cluster key. The message never repeats the text. */
export class InvalidClusterKeyError extends ShoalError {
  constructor(reason: string) {
    super(`not a cluster key: ${reason}`, { code: 'INVALID_CLUSTER_KEY', blame: 'caller', retryable: false })
  }
}

/** A PeerId that does not parse, or our own where another peer's belongs. */
export class InvalidPeerError extends ShoalError {
  constructor(peerId: string, reason: string, cause?: unknown) {
    super(`peer ${peerId.slice(0, 80)}: ${reason}`, {
      code: 'INVALID_PEER',
      blame: 'caller',
      retryable: false,
      cause,
    })
  }
}

/** None of the listen addresses could be opened. */
export class ListenError extends ShoalError {
  constructor(addresses: readonly string[], cause: unknown) {
    super(`cannot listen on ${addresses.join(', ')}: ${reasonOf(cause)}`, {
      code: 'LISTEN_FAILED',
      blame: 'local',
      retryable: false,
      cause,
    })
  }
}

/** The peer is banned or not on the allow list, so no connection is made. */
export class PeerRefusedError extends ShoalError {
  constructor(peerId: string) {
    super(`peer ${peerId} is banned or not admitted`, { code: 'PEER_REFUSED', blame: 'local', retryable: false })
  }
}

/** No address of the peer led to an authenticated connection before the deadline. */
export class PeerUnreachableError extends ShoalError {
  constructor(peerId: string, cause: unknown) {
    super(`cannot connect to peer ${peerId}: ${reasonOf(cause)}`, {
      code: 'PEER_UNREACHABLE',
      blame: 'local',
      retryable: true,
      cause,
    })
  }
}

/** The peer is connected but no stream could be opened: it does not speak the protocol, has too many open, or just went away. */
export class StreamRefusedError extends ShoalError {
  constructor(peerId: string, protocol: string, cause: unknown) {
    super(`peer ${peerId} opened no ${protocol} stream: ${reasonOf(cause)}`, {
      code: 'STREAM_REFUSED',
      blame: 'local',
      retryable: true,
      cause,
    })
  }
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  if (cause.name === 'EncryptionFailedError') return 'the handshake failed, does it have the same cluster key?'
  if (cause instanceof AggregateError && cause.errors.length > 0) return cause.errors.map(reasonOf).join('; ')
  return cause.message
}
