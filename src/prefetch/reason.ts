import { isAbort } from '../core/index.ts'
import { MAX_REASON_CHARS } from './messages.ts'

/** Why something failed, as one line that fits into a message. */
export function reasonOf(error: unknown): string {
  if (isAbort(error)) return 'cancelled'
  const message = error instanceof Error ? error.message : String(error)
  return message.replaceAll(/\s+/g, ' ').slice(0, MAX_REASON_CHARS)
}

/** For what must be given an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('failed', { cause: thrown })
}
