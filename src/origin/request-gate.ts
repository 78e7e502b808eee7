import PQueue from 'p-queue'
import type { AbortOptions, Clock } from '../core/index.ts'
import { OriginThrottledError } from './errors.ts'
import { TokenBucket } from './token-bucket.ts'
import { delay } from './waiting.ts'

/** Longest wait for a slot: queues of ranges drain within it on a working origin, and a client still waiting has better places to ask. */
const MAX_WAIT_MS = 30_000

/** Most requests waiting for one registry; the scheduler asks for far fewer at a time. */
const MAX_WAITING = 1024

/** What to suggest to a caller turned away because the queue is full. */
const FULL_RETRY_MS = 1_000

/** Documents go first: everything else of a pull waits for them, and they are small. */
export type Urgency = 'document' | 'blob'

const PRIORITIES: Readonly<Record<Urgency, number>> = { document: 1, blob: 0 }

export interface RequestGateInit {
  readonly maxConcurrency: number
  readonly requestsPerSecond: number | undefined
  /** Longest cool-down that is waited out; a longer one is told to the caller at once. */
  readonly maxCooldownMs: number
}

/** The door of one registry: how many requests are inside at once, how many go in a second, and none while it cools down after a 429. */
export class RequestGate {
  readonly #init: RequestGateInit
  readonly #clock: Clock
  readonly #queue: PQueue
  readonly #bucket: TokenBucket
  #coolUntilMs = Number.NEGATIVE_INFINITY

  constructor(init: RequestGateInit, components: { readonly clock: Clock }) {
    this.#init = init
    this.#clock = components.clock
    this.#queue = new PQueue({ concurrency: init.maxConcurrency })
    this.#bucket = new TokenBucket(init.requestsPerSecond, components.clock)
  }

  /** Lets nothing in for `durationMs` from now; a shorter one never ends a longer one. */
  coolDown(durationMs: number): void {
    this.#coolUntilMs = Math.max(this.#coolUntilMs, this.#clock.now() + durationMs)
  }

  /**
   * Resolves when the request may go, to the function that gives its place back (call it once, when the body is done with).
   * Throws OriginThrottledError when that would take too long.
   */
  async enter(urgency: Urgency, options: AbortOptions): Promise<() => void> {
    this.#refuseLongCooldown()
    if (this.#queue.size >= MAX_WAITING)
      throw new OriginThrottledError('too many requests wait for the origin', FULL_RETRY_MS)
    const leave = await this.#takeSlot(urgency, options)
    try {
      await this.#awaitTurn(options)
      return leave
    } catch (error) {
      leave()
      throw error
    }
  }

  async #takeSlot(urgency: Urgency, { signal }: AbortOptions): Promise<() => void> {
    signal?.throwIfAborted()
    const waiting = new AbortController()
    const onAbort = () => waiting.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const timer = this.#clock.after(MAX_WAIT_MS, () => {
      waiting.abort(new OriginThrottledError('no request to the origin ended in time', MAX_WAIT_MS))
    })
    const entered = Promise.withResolvers<() => void>()
    const inside = Promise.withResolvers<void>()
    const task = () => {
      entered.resolve(inside.resolve)
      return inside.promise
    }
    this.#queue.add(task, { priority: PRIORITIES[urgency], signal: waiting.signal }).catch(entered.reject)
    try {
      return await entered.promise
    } finally {
      timer.clear()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async #awaitTurn(options: AbortOptions): Promise<void> {
    for (;;) {
      this.#refuseLongCooldown()
      const waitMs = Math.max(this.#bucket.waitMs, this.#coolUntilMs - this.#clock.now())
      if (waitMs <= 0) return this.#bucket.take()
      await delay(this.#clock, waitMs, options)
    }
  }

  #refuseLongCooldown(): void {
    const leftMs = this.#coolUntilMs - this.#clock.now()
    if (leftMs > this.#init.maxCooldownMs) throw new OriginThrottledError('origin is cooling down', leftMs)
  }
}
