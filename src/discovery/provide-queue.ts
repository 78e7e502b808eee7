import PQueue from 'p-queue'
import { type Clock, type Digest, isAbort, type Random, type Timer } from '../core/index.ts'
import type { ProviderRecords } from '../p2p/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { Backoff, type BackoffInit } from './backoff.ts'
import type { DiscoveryMetrics } from './metrics.ts'

/** Provides at a time: each is some thirty messages and must not crowd out a pull. */
const CONCURRENCY = 2

/** Provides begun per second, so that an agent with a full store spreads its start over a minute or two. */
const STARTS_PER_SECOND = 8

/** Measured 8.1 s at the 99th percentile with 100 nodes on 2 cores. */
const PROVIDE_TIMEOUT_MS = 20_000

/** Layers provided at once; more than an agent's disk holds. */
const MAX_DIGESTS = 16_384

/** From just after a first connection has reached the routing table to what an agent that stays alone can afford. */
const RETRY_BACKOFF: BackoffInit = { minMs: 1_000, maxMs: 5 * 60_000 }

/** A new neighbour is in the routing table within about a second (identify, then a ping). */
const NEIGHBOUR_SETTLE_MS = 1_000

export interface ProvideQueueComponents {
  readonly records: ProviderRecords
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: DiscoveryMetrics
}

interface Entry {
  readonly backoff: Backoff
  /** Nobody was tried yet. */
  isFirst: boolean
  /** Set while an attempt waits for its turn: the first one that was put off, or another after one that told nobody. */
  retry: { readonly timer: Timer; readonly atMs: number } | undefined
}

/**
 * Tells the DHT in the background which layers this agent has, the newest first: queued -> providing -> provided, or
 * waiting -> queued while nobody could be told. Owns the list of provided layers and the attempts.
 */
export class ProvideQueue {
  readonly #components: ProvideQueueComponents
  readonly #entries = new Map<Digest, Entry>()
  readonly #attempts = new PQueue({ concurrency: CONCURRENCY, interval: 1000, intervalCap: STARTS_PER_SECOND })
  readonly #withdrawals = new PQueue({ concurrency: CONCURRENCY })
  readonly #stopping = new AbortController()
  #order = 0

  constructor(components: ProvideQueueComponents) {
    this.#components = components
  }

  /** Provides `digest` until it is removed, for the first time after `delayMs`. Does nothing when it is already. */
  add(digest: Digest, delayMs = 0): void {
    if (this.#entries.has(digest) || this.#stopping.signal.aborted) return
    if (this.#entries.size >= MAX_DIGESTS) this.#forgetOldest()
    const entry: Entry = {
      backoff: new Backoff(RETRY_BACKOFF, this.#components.random),
      isFirst: true,
      retry: undefined,
    }
    this.#entries.set(digest, entry)
    if (delayMs > 0) this.#retryIn(delayMs, digest, entry)
    else this.#enqueue(digest)
  }

  /** What was put off waits no longer than `delayMs` gives for it from now. */
  hasten(delayMs: () => number): void {
    const nowMs = this.#components.clock.now()
    for (const [digest, entry] of this.#entries) {
      if (!entry.isFirst || entry.retry === undefined) continue
      const shorterMs = delayMs()
      if (nowMs + shorterMs < entry.retry.atMs) this.#retryIn(shorterMs, digest, entry)
    }
  }

  /** Stops providing `digest`; what other peers were told expires by itself. */
  remove(digest: Digest): void {
    const entry = this.#entries.get(digest)
    if (entry === undefined || this.#stopping.signal.aborted) return
    entry.retry?.timer.clear()
    this.#entries.delete(digest)
    this.#run(this.#withdrawals, async (signal) => await this.#withdraw(digest, signal))
  }

  /** To be told of a new connection: who could tell nobody tries again soon. */
  onConnected(): void {
    const soonMs = this.#components.clock.now() + NEIGHBOUR_SETTLE_MS
    for (const [digest, entry] of this.#entries) {
      if (entry.isFirst || entry.retry === undefined || entry.retry.atMs <= soonMs) continue
      entry.backoff.reset()
      this.#retryIn(NEIGHBOUR_SETTLE_MS, digest, entry)
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const entry of this.#entries.values()) entry.retry?.timer.clear()
    this.#attempts.clear()
    this.#withdrawals.clear()
    await Promise.all([this.#attempts.onIdle(), this.#withdrawals.onIdle()])
  }

  #enqueue(digest: Digest): void {
    this.#run(this.#attempts, async (signal) => await this.#attempt(digest, signal), ++this.#order)
  }

  #run(queue: PQueue, work: (signal: AbortSignal) => Promise<void>, priority = 0): void {
    const { logger } = this.#components
    // The queue is given no signal of ours: it would count an aborted task as done, and stop() waits for the task itself.
    const task = async ({ signal }: { signal?: AbortSignal | undefined }): Promise<void> => {
      await work(AbortSignal.any([this.#stopping.signal, ...(signal === undefined ? [] : [signal])]))
    }
    queue.add(task, { priority, timeout: PROVIDE_TIMEOUT_MS }).catch((error: unknown) => {
      logger.debug({ err: error }, 'provide ran out of time')
    })
  }

  async #attempt(digest: Digest, signal: AbortSignal): Promise<void> {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return
    entry.isFirst = false
    const toldCount = await this.#provide(digest, signal)
    if (this.#stopping.signal.aborted) return
    this.#components.metrics.provides.inc({ result: toldCount > 0 ? 'provided' : 'failed' })
    if (this.#entries.get(digest) !== entry) await this.#withdraw(digest, this.#stopping.signal)
    else if (toldCount === 0) this.#retryIn(entry.backoff.next(), digest, entry)
  }

  async #provide(digest: Digest, signal: AbortSignal): Promise<number> {
    try {
      return await this.#components.records.provide(digest, { signal })
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#components.logger.debug({ err: error, digest }, 'provide failed')
      return 0
    }
  }

  async #withdraw(digest: Digest, signal: AbortSignal): Promise<void> {
    try {
      if (!this.#entries.has(digest)) await this.#components.records.unprovide(digest, { signal })
    } catch (error) {
      if (!isAbort(error)) this.#components.logger.debug({ err: error, digest }, 'unprovide failed')
    }
  }

  #retryIn(delayMs: number, digest: Digest, entry: Entry): void {
    const { clock } = this.#components
    entry.retry?.timer.clear()
    const timer = clock.after(delayMs, () => {
      entry.retry = undefined
      this.#enqueue(digest)
    })
    entry.retry = { timer, atMs: clock.now() + delayMs }
  }

  #forgetOldest(): void {
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.remove(oldest)
  }
}
