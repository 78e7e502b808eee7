import type { ServerResponse } from 'node:http'
import type { Clock } from '../core/index.ts'
import type { Lease } from '../util/index.ts'
import { BodyLengthError, BodyStalledError, ClientStalledError } from './errors.ts'

/** How a body ended: all of it written, the client left (or takes nothing), the mirror stops, or the source failed short of Content-Length. */
export type BodyOutcome =
  | { readonly end: 'complete' | 'client-gone' | 'stopped' }
  | { readonly end: 'source-failed'; readonly error: unknown }

export interface BodyWriterInit {
  /** Longest wait for the source's next bytes. */
  readonly sourceStallMs: number
  /** Longest wait for the client to take what is written. */
  readonly clientStallMs: number
}

/** The part of ServerResponse that is used, so that tests can stand in for it. */
export type BodySink = Pick<ServerResponse, 'write' | 'once' | 'off' | 'closed'>

export interface BodyWriterOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly onBytes?: (sizeBytes: number) => void
}

/**
 * Writes exactly `lengthBytes` from `chunks`, no faster than the client takes them: at most one piece of the source's is
 * waiting in the socket, and each is given back when the kernel has it. Never ends the response; on a failure not one byte
 * beyond the verified ones is written.
 */
export async function writeBody(
  sink: BodySink,
  chunks: AsyncIterator<Lease, void>,
  lengthBytes: number,
  init: BodyWriterInit,
  options: BodyWriterOptions,
): Promise<BodyOutcome> {
  const limit = new StallLimit(sink, options)
  let sentBytes = 0
  try {
    while (sentBytes < lengthBytes) {
      const next = await limit.wait(chunks.next(), init.sourceStallMs, () => new BodyStalledError(init.sourceStallMs))
      if (next.done === true) throw new BodyLengthError(lengthBytes, sentBytes)
      const { bytes } = next.value
      if (sentBytes + bytes.byteLength > lengthBytes)
        throw new BodyLengthError(lengthBytes, sentBytes + bytes.byteLength)
      sentBytes += bytes.byteLength
      const isTaken = sink.write(bytes, giveBack(next.value))
      options.onBytes?.(bytes.byteLength)
      if (!isTaken) await limit.drained(init.clientStallMs)
    }
    return { end: 'complete' }
  } catch (error) {
    if (sink.closed || error instanceof ClientStalledError) return { end: 'client-gone' }
    if (options.signal.aborted) return { end: 'stopped' }
    return { end: 'source-failed', error }
  } finally {
    limit.close()
  }
}

/**
 * One close listener for a whole body, and a deadline for each wait in it. One promise per wait: racing against a promise
 * that lives as long as the body would keep every array of it in memory.
 */
class StallLimit {
  readonly #sink: BodySink
  readonly #options: BodyWriterOptions
  readonly #onGone = (): void => {
    this.#isGone = true
    this.#giveUp?.(gone())
  }
  #isGone: boolean
  #giveUp: ((reason: unknown) => void) | undefined

  constructor(sink: BodySink, options: BodyWriterOptions) {
    this.#sink = sink
    this.#options = options
    this.#isGone = sink.closed || options.signal.aborted
    sink.once('close', this.#onGone)
    options.signal.addEventListener('abort', this.#onGone, { once: true })
  }

  async wait<T>(promise: Promise<T>, limitMs: number, tooLate: () => Error): Promise<T> {
    const { promise: outcome, resolve, reject } = Promise.withResolvers<T>()
    if (this.#isGone) reject(gone())
    this.#giveUp = reject
    promise.then(resolve, reject)
    const timer = this.#options.clock.after(limitMs, () => reject(tooLate()))
    try {
      return await outcome
    } finally {
      timer.clear()
      this.#giveUp = undefined
    }
  }

  async drained(limitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#sink.once('drain', resolve)
    try {
      await this.wait(promise, limitMs, () => new ClientStalledError(limitMs))
    } finally {
      this.#sink.off('drain', resolve)
    }
  }

  close(): void {
    this.#sink.off('close', this.#onGone)
    this.#options.signal.removeEventListener('abort', this.#onGone)
  }
}

/** For when the piece is with the kernel. A socket that failed may not have let go of it: then it is lost instead. */
function giveBack(piece: Lease): (error?: Error | null) => void {
  return (error) => {
    if (error === undefined || error === null) piece.release()
  }
}

function gone(): Error {
  return new DOMException('the body is not wanted any more', 'AbortError')
}
