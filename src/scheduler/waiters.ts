import type { AbortOptions } from '../core/index.ts'

interface Waiter {
  resolve(): void
  reject(reason: unknown): void
}

/** Readers waiting for chunks of one download. */
export class Waiters {
  readonly #byChunk = new Map<number, Set<Waiter>>()

  get isEmpty(): boolean {
    return this.#byChunk.size === 0
  }

  has(chunk: number): boolean {
    return this.#byChunk.has(chunk)
  }

  get chunks(): Iterable<number> {
    return this.#byChunk.keys()
  }

  /** Resolves when `chunk` is held; rejects when the download fails it or the signal fires. */
  async wait(chunk: number, { signal }: AbortOptions): Promise<void> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter = { resolve, reject }
    const waiting = this.#byChunk.get(chunk) ?? new Set<Waiter>()
    this.#byChunk.set(chunk, waiting.add(waiter))
    const onAbort = () => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      signal?.removeEventListener('abort', onAbort)
      waiting.delete(waiter)
      if (waiting.size === 0 && this.#byChunk.get(chunk) === waiting) this.#byChunk.delete(chunk)
    }
  }

  held(chunk: number): void {
    for (const waiter of this.#byChunk.get(chunk) ?? []) waiter.resolve()
    this.#byChunk.delete(chunk)
  }

  failAll(reason: unknown): void {
    for (const waiting of this.#byChunk.values()) for (const waiter of waiting) waiter.reject(reason)
    this.#byChunk.clear()
  }
}
