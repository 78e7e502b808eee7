import { ShoalError } from '../core/index.ts'

/** There is no room for the bytes, also after evicting what may go; the caller passes them through without storing. */
export class StoreFullError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'STORE_FULL', blame: 'local', retryable: true, cause })
  }
}

/** The disk refused a read or a write, or what was being used has been dropped; the bytes can still be had elsewhere. */
export class StoreFailedError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'STORE_FAILED', blame: 'local', retryable: true, cause })
  }
}

/** Another process uses the directory. */
export class StoreLockedError extends ShoalError {
  /** Process id that the other one wrote down, as seen in its own pid namespace; `undefined` when it left none. */
  readonly pid: number | undefined

  constructor(dir: string, pid: number | undefined, cause: unknown) {
    const who = pid === undefined ? 'another process' : `process ${pid}`
    super(`store ${dir} is in use by ${who}`, { code: 'STORE_LOCKED', blame: 'local', retryable: false, cause })
    this.pid = pid
  }
}

/** A read touched a chunk that is not held (any more). */
export class ChunkNotHeldError extends ShoalError {
  readonly chunk: number

  constructor(chunk: number) {
    super(`chunk ${chunk} is not held`, { code: 'CHUNK_NOT_HELD', blame: 'local', retryable: false })
    this.chunk = chunk
  }
}

/** The blob is stored with another size than the one it was opened with, so one of the two is wrong. */
export class BlobSizeConflictError extends ShoalError {
  constructor(askedBytes: number, storedBytes: number) {
    super(`blob has ${storedBytes} bytes, not ${askedBytes}`, {
      code: 'BLOB_SIZE_CONFLICT',
      blame: 'caller',
      retryable: false,
    })
  }
}

/** A document is too long, or its bytes are not what its digest says. */
export class DocumentInvalidError extends ShoalError {
  constructor(message: string) {
    super(message, { code: 'DOCUMENT_INVALID', blame: 'caller', retryable: false })
  }
}

/** The system's error code (`ENOSPC`), wherever in the chain of causes it is. */
export function systemCode(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('syscall' in at && 'code' in at && typeof at.code === 'string') return at.code
  }
  return undefined
}

/** Translates what the file system threw while doing `action`. */
export function storeFailure(action: string, cause: unknown): ShoalError {
  if (cause instanceof ShoalError) return cause
  const code = systemCode(cause)
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG')
    return new StoreFullError(`disk is full: ${action}`, cause)
  return new StoreFailedError(`disk failed: ${action}${code === undefined ? '' : ` (${code})`}`, cause)
}
