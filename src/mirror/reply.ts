import type { Lease } from '../util/index.ts'
import type { BodyOutcome } from './body-writer.ts'

/** Header names in lower case; a list becomes one line each. */
export type ReplyHeaders = Readonly<Record<string, string | readonly string[]>>

/** A body whose first bytes are at hand. */
export interface StreamedBody {
  readonly lengthBytes: number
  readonly chunks: AsyncIterator<Lease, void>
  /** Called once, when the body is written or given up; frees what it holds. */
  done(outcome: BodyOutcome): void
}

/** An answer, decided as a whole before its first byte is written. Content-Length is always among the headers. */
export interface Reply {
  readonly status: number
  readonly headers: ReplyHeaders
  /** Left out in answers to HEAD. */
  readonly body?: Uint8Array | StreamedBody
}

/** Whether a reply's body comes bit by bit. */
export function isStreamed(body: Reply['body']): body is StreamedBody {
  return body !== undefined && 'chunks' in body
}
