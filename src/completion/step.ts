import { type AbortOptions, type Digest, ShoalError } from '../core/index.ts'
import type { BlobHandle } from '../scheduler/index.ts'
import { STEP_BYTES } from './policy.ts'

/** What is used of a blob's handle. */
export type LayerHandle = Pick<BlobHandle, 'isComplete' | 'isKept' | 'complete' | 'close'>

/** All chunks came, and yet the blob is not whole: it was found wrong and dropped, or could not be checked. */
class NotWholeError extends ShoalError {
  constructor(digest: Digest) {
    super(`${digest} is not whole`, { code: 'NOT_WHOLE', blame: 'local', retryable: true })
  }
}

/** A few chunks of one layer: wanted until enough bytes have come, or until it is told to end. What was asked for comes all the same. */
export class Step {
  readonly digest: Digest
  readonly #ending = new AbortController()
  #bytes = 0

  constructor(digest: Digest) {
    this.digest = digest
  }

  end(): void {
    this.#ending.abort()
  }

  /** Some of the layer has come. */
  arrived(sizeBytes: number): void {
    this.#bytes += sizeBytes
    if (this.#bytes >= STEP_BYTES) this.end()
  }

  /** Resolves at the end of the step, and only then with the layer whole when nothing was left to fetch. Throws what the sources throw. */
  async take(handle: LayerHandle, { signal }: AbortOptions): Promise<void> {
    const ending = this.#ending.signal
    const either = signal === undefined ? ending : AbortSignal.any([signal, ending])
    try {
      await handle.complete('background', () => undefined, { signal: either })
    } catch (error) {
      if (!ending.aborted) throw error
      return
    }
    if (!handle.isComplete) throw new NotWholeError(this.digest)
  }
}
