import type { Clock } from '../core/index.ts'
import {
  OriginBrokenError,
  OriginDeniedError,
  OriginThrottledError,
  OriginUnauthorizedError,
  OriginUnavailableError,
} from './errors.ts'
import type { Reply } from './registry.ts'
import { parseRetryAfter } from './retry-after.ts'

/** What to suggest after a 429 that does not say. */
const DEFAULT_RETRY_AFTER_MS = 1_000

/** The error that a reply stands for whose status was not what the caller could use. 404 is for the caller to tell. */
export function failureOf(reply: Reply, clock: Clock): Error {
  const { answer, challenges, isAway } = reply
  const { status } = answer
  const retryAfterMs = parseRetryAfter(answer.header('retry-after'), clock.wallTime())
  if (status === 429) return new OriginThrottledError('origin answered 429', retryAfterMs ?? DEFAULT_RETRY_AFTER_MS)
  if (status === 408 || status >= 500) return new OriginUnavailableError(`origin answered ${status}`, { retryAfterMs })
  // The registry let us in and signed the URL, so its storage refusing it is trouble between the two of them.
  if (isAway && status >= 400) return new OriginUnavailableError(`the origin's storage answered ${status}`)
  if (status === 401) return new OriginUnauthorizedError(challenges)
  if (status === 403) return new OriginDeniedError()
  return new OriginBrokenError(`origin answered ${status}`)
}
