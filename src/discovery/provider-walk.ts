import type { AbortOptions, PeerRef } from '../core/index.ts'

/**
 * One walk through the DHT that any number of readers follow, each from its beginning and at its own pace. Ends the
 * walk when the last reader leaves early; what was found until then stays readable.
 */
export class ProviderWalk {
  readonly #found: PeerRef[] = []
  readonly #ids = new Set<string>()
  readonly #abandoned = new AbortController()
  #readerCount = 0
  #isOver = false
  #changed = Promise.withResolvers<void>()

  /** Aborts when nobody reads any more. */
  get abandoned(): AbortSignal {
    return this.#abandoned.signal
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get foundCount(): number {
    return this.#found.length
  }

  /** Adds a peer once; whether it was new. */
  add(peer: PeerRef): boolean {
    if (this.#isOver || this.#ids.has(peer.id)) return false
    this.#ids.add(peer.id)
    this.#found.push(peer)
    this.#wake()
    return true
  }

  /** Nothing more will be added. */
  end(): void {
    this.#isOver = true
    this.#wake()
  }

  /** All peers found and to be found; throws the signal's reason when it fires. */
  async *read(options: AbortOptions = {}): AsyncGenerator<PeerRef, void, void> {
    this.#readerCount++
    try {
      for (let next = 0; ; next++) {
        options.signal?.throwIfAborted()
        while (next >= this.#found.length && !this.#isOver)
          await settledOrAborted(this.#changed.promise, options.signal)
        const peer = this.#found[next]
        if (peer === undefined) return
        yield peer
      }
    } finally {
      this.#readerCount--
      if (this.#readerCount === 0 && !this.#isOver) this.#abandoned.abort()
    }
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

async function settledOrAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return await promise
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  try {
    signal.throwIfAborted()
    await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
