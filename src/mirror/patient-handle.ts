import { type AbortOptions, type Clock, ShoalError } from '../core/index.ts'
import type { Lease } from '../util/index.ts'
import type { ByteRange } from './byte-ranges.ts'
import type { BlobDemand, BlobHandle } from './ports.ts'

/** Before the first new attempt: most failures of a registry are one bad answer. */
const FIRST_PAUSE_MS = 200
/** Between attempts in a longer outage: what a reader waits at most once it is over. */
const LONGEST_PAUSE_MS = 1_000

/**
 * A handle for a client that depends on us. When no source can give the next bytes it does not fail but goes on at the same
 * byte after a pause, for as long as the caller waits: a range that breaks off in its middle is an I/O error in a running
 * container, and one refused six times in two seconds is one too. Only the registry's failures pass in time; bytes that turn
 * out wrong, or a disk that fails, end the reading as before.
 */
export class PatientHandle implements BlobHandle {
  readonly #handle: BlobHandle
  readonly #clock: Clock

  constructor(handle: BlobHandle, components: { readonly clock: Clock }) {
    this.#handle = handle
    this.#clock = components.clock
  }

  get sizeBytes(): number {
    return this.#handle.sizeBytes
  }

  get heldBytes(): number {
    return this.#handle.heldBytes ?? 0
  }

  async *lend({ start, end }: ByteRange, demand: BlobDemand, options: AbortOptions): AsyncGenerator<Lease> {
    let position = start
    for (let pauseMs = FIRST_PAUSE_MS; position < end; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        for await (const piece of this.#handle.lend({ start: position, end }, demand, options)) {
          position += piece.bytes.byteLength
          pauseMs = FIRST_PAUSE_MS
          yield piece
        }
        return
      } catch (error) {
        if (!mayPass(error)) throw error
        await this.#pause(pauseMs, options.signal)
      }
    }
  }

  close(): void {
    this.#handle.close()
  }

  async #pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => reject(signal?.reason)
    const timer = this.#clock.after(delayMs, resolve)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      timer.clear()
      signal?.removeEventListener('abort', onAbort)
    }
  }
}

function mayPass(error: unknown): boolean {
  return error instanceof ShoalError && error.retryable && error.blame === 'origin'
}
