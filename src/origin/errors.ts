import { ShoalError } from '../core/index.ts'

/** The origin wants credentials it did not get, or does not accept those it got. `challenges` are its raw WWW-Authenticate values, to be relayed. */
export class OriginUnauthorizedError extends ShoalError {
  readonly challenges: readonly string[]

  constructor(challenges: readonly string[], cause?: unknown) {
    super('origin asks for other credentials', {
      code: 'ORIGIN_UNAUTHORIZED',
      blame: 'caller',
      retryable: false,
      cause,
    })
    this.challenges = challenges
  }
}

/** The origin knows who asks and refuses. */
export class OriginDeniedError extends ShoalError {
  constructor() {
    super('origin denies access', { code: 'ORIGIN_DENIED', blame: 'caller', retryable: false })
  }
}

/** The origin, or our own budget for it, wants no request before `retryAfterMs` have passed. */
export class OriginThrottledError extends ShoalError {
  readonly retryAfterMs: number

  constructor(message: string, retryAfterMs: number) {
    super(message, { code: 'ORIGIN_THROTTLED', blame: 'origin', retryable: true })
    this.retryAfterMs = retryAfterMs
  }
}

/** The origin is down, unreachable or in trouble. `retryAfterMs` is what it asked for, if it did. */
export class OriginUnavailableError extends ShoalError {
  readonly retryAfterMs: number | undefined

  constructor(message: string, options: { readonly cause?: unknown; readonly retryAfterMs?: number | undefined } = {}) {
    super(message, { code: 'ORIGIN_UNAVAILABLE', blame: 'origin', retryable: true, cause: options.cause })
    this.retryAfterMs = options.retryAfterMs
  }
}

/** The origin's answer contradicts itself or what was asked: a wrong range, length, digest, redirect or certificate. */
export class OriginBrokenError extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super(message, { code: 'ORIGIN_BROKEN', blame: 'origin', retryable: false, cause })
  }
}

/** None of the origins asked has the blob. */
export class OriginMissingError extends ShoalError {
  constructor() {
    super('no origin has the blob', { code: 'ORIGIN_MISSING', blame: 'origin', retryable: false })
  }
}

/** The namespace is not one this agent may ask. Nothing was dialled. */
export class OriginNotAllowedError extends ShoalError {
  constructor(namespace: string) {
    super(`namespace ${JSON.stringify(namespace.slice(0, 256))} is not allowed`, {
      code: 'ORIGIN_NOT_ALLOWED',
      blame: 'caller',
      retryable: false,
    })
  }
}

/** A repository, reference or range that breaks its grammar. Nothing was dialled. */
export class OriginRequestError extends ShoalError {
  constructor(message: string) {
    super(message, { code: 'ORIGIN_REQUEST_INVALID', blame: 'caller', retryable: false })
  }
}
