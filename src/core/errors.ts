/** Who a failure is held against: `peer` is banned for a while, `origin` is retried or waited for, `caller` is answered 4xx, `local` is ours. */
export type Blame = 'peer' | 'origin' | 'local' | 'caller'

export interface ShoalErrorInit {
  readonly code: string
  readonly blame: Blame
  /** Whether the same call may succeed later or elsewhere. Retries are decided from this in one place per module. */
  readonly retryable: boolean
  readonly cause?: unknown
  /** An answer like any other, of which a busy process gets hundreds a second: it has no stack, which would cost more than all else. */
  readonly isUsual?: boolean
}

/**
 * Base of every error that this project throws on purpose. Callers branch on the class or on `code`, never on `message`.
 * A module's `errors.ts` has one subclass for each thing its callers do differently.
 */
export class ShoalError extends Error {
  readonly code: string
  readonly blame: Blame
  readonly retryable: boolean

  constructor(message: string, init: ShoalErrorInit) {
    const { stackTraceLimit } = Error
    if (init.isUsual === true) Error.stackTraceLimit = 0
    super(message, init.cause === undefined ? undefined : { cause: init.cause })
    Error.stackTraceLimit = stackTraceLimit
    this.name = new.target.name
    this.code = init.code
    this.blame = init.blame
    this.retryable = init.retryable
  }
}

/** Whether `error` says that a signal ended the call: not a failure, and never counted, logged or retried as one. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'AbortSignalError')
}
