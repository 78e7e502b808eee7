import type { AbortOptions, Clock } from '../core/index.ts'
import type { Buffers } from '../util/index.ts'
import type { LayoutOf } from './blob-layout.ts'
import { withDeadline } from './deadline.ts'
import { PeerBusyError, PeerClosedError, PeerProtocolError, PeerStalledError } from './errors.ts'
import type { ReceivedChunk } from './follow-events.ts'
import type { Lane } from './lane.ts'
import { LaneClient } from './lane-client.ts'
import { LaneSet } from './lane-set.ts'
import type { ExchangeLimits } from './limits.ts'
import type { Urgency, WantMessage } from './messages.ts'
import type { ExchangeMetrics } from './metrics.ts'
import type { AttemptOptions } from './tls-attempts.ts'

/** A lane that can be used now, and perhaps a faster one that takes its place when it comes. */
export interface OpenedLane {
  readonly lane: Lane
  readonly isFast: boolean
  /** Never rejects. */
  readonly faster?: Promise<Lane | undefined> | undefined
}

export interface LanePoolInit {
  readonly maxLanes: number
  readonly limits: ExchangeLimits
  readonly clock: Clock
  readonly metrics: ExchangeMetrics
  /** For the chunks that come. */
  readonly buffers: Buffers
  readonly layoutOf: LayoutOf
  /** Opens one more lane to the peer within bounded time; the signal also ends what is still to come. */
  readonly openLane: (options: AttemptOptions) => Promise<OpenedLane>
  /** A lane ended because of something the peer did wrong. */
  readonly onBreach: (error: PeerProtocolError) => void
}

interface Job {
  readonly want: WantMessage
  readonly signal: AbortSignal
  readonly settle: PromiseWithResolvers<ReceivedChunk>
}

/** What a caller with too much queued is told to wait: a few chunks' time. */
const QUEUE_FULL_WAIT_MS = 50

const RANK: Record<Urgency, number> = { now: 0, soon: 1, later: 2, idle: 3 }

/**
 * The data lanes to one peer: opened when wants wait, closed when idle, each at one want at a time, the urgent first. A slow
 * lane serves until the fast one comes that was tried first.
 */
export class LanePool {
  readonly #init: LanePoolInit
  readonly #lanes = new LaneSet()
  readonly #queue: Job[] = []
  readonly #closing = new AbortController()
  readonly #opening = new Set<Promise<void>>()
  readonly #upgrading = new Set<Promise<void>>()

  constructor(init: LanePoolInit) {
    this.#init = init
  }

  get laneCount(): number {
    return this.#lanes.size
  }

  /** Asks for a chunk. Throws as `Following.request` does. */
  async request(want: WantMessage, options: AbortOptions): Promise<ReceivedChunk> {
    const { clock, limits, metrics } = this.#init
    const makeError = () => new PeerStalledError('the chunk did not come in time')
    const init = { clock, timeoutMs: limits.requestTimeoutMs, signal: options.signal, makeError }
    try {
      return await withDeadline(init, (signal) => this.#enqueue(want, signal))
    } catch (error) {
      if (error instanceof PeerStalledError || error instanceof PeerClosedError) metrics.failed(error)
      throw error
    }
  }

  /** Ends all lanes; whoever waits gets `error`. */
  close(error: Error): void {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(error)
    for (const lane of [...this.#lanes]) lane.abort(error)
    this.#rejectQueued(error)
  }

  async finished(): Promise<void> {
    await Promise.all(this.#opening)
    await Promise.all(this.#upgrading)
  }

  async #enqueue(want: WantMessage, signal: AbortSignal): Promise<ReceivedChunk> {
    if (this.#closing.signal.aborted) throw this.#closing.signal.reason
    if (this.#queue.length >= this.#init.limits.maxQueuedPerPeer) throw new PeerBusyError(QUEUE_FULL_WAIT_MS, [])
    const job: Job = { want, signal, settle: Promise.withResolvers<ReceivedChunk>() }
    const onAbort = () => this.#forget(job)
    signal.addEventListener('abort', onAbort)
    this.#insert(job)
    this.#dispatch()
    try {
      return await job.settle.promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #insert(job: Job): void {
    const at = this.#queue.findIndex((other) => RANK[other.want.urgency] > RANK[job.want.urgency])
    this.#queue.splice(at < 0 ? this.#queue.length : at, 0, job)
  }

  #forget(job: Job): void {
    const at = this.#queue.indexOf(job)
    if (at < 0) return
    this.#queue.splice(at, 1)
    job.settle.reject(job.signal.reason)
  }

  #dispatch(): void {
    for (const lane of this.#lanes.free()) {
      const job = this.#nextJob()
      if (job === undefined) break
      lane.request(job.want, { signal: job.signal }).then(job.settle.resolve, job.settle.reject)
    }
    while (this.#needsLane()) this.#openOne()
  }

  /** Wants of any chunk may wait long at the peer, so they leave one lane to the others. */
  #nextJob(): Job | undefined {
    const mayBeAny = this.#lanes.anyCount < Math.max(1, this.#init.maxLanes - 1)
    const at = this.#queue.findIndex((job) => mayBeAny || job.want.chunk !== 'any')
    return at < 0 ? undefined : this.#queue.splice(at, 1)[0]
  }

  #needsLane(): boolean {
    if (this.#closing.signal.aborted) return false
    const lanes = this.#lanes.activeCount + this.#opening.size
    return this.#queue.length > this.#opening.size && lanes < this.#init.maxLanes && this.#hasRoom
  }

  /** Those that give way count too: the peer takes twice as many lanes as we use at a time. */
  get #hasRoom(): boolean {
    return this.#lanes.size + this.#opening.size < 2 * this.#init.maxLanes
  }

  #openOne(): void {
    const task = this.#open()
      .catch((error: unknown) => this.#onOpenFailed(error))
      .finally(() => {
        this.#opening.delete(task)
        this.#dispatch()
      })
    this.#opening.add(task)
  }

  async #open(): Promise<void> {
    const { signal } = this.#closing
    const { lane, isFast, faster } = await this.#init.openLane({ signal, isFastUp: () => this.#lanes.hasFast })
    this.#adopt(lane, isFast)
    if (faster === undefined) return
    const task = faster.then((late) => this.#upgrade(late)).finally(() => this.#upgrading.delete(task))
    this.#upgrading.add(task)
  }

  /** A slow lane gives way to one that came late; nobody needs the late one when all lanes are fast by then. */
  #upgrade(lane: Lane | undefined): void {
    if (lane === undefined) return
    if (!this.#hasRoom) return lane.close()
    const late = this.#adopt(lane, true)
    if (!this.#lanes.retireSlow() && this.#lanes.activeCount > this.#init.maxLanes) late?.retire()
    this.#dispatch()
  }

  #adopt(lane: Lane, isFast: boolean): LaneClient | undefined {
    const { limits, clock, metrics, buffers, layoutOf } = this.#init
    if (this.#closing.signal.aborted) {
      lane.abort(this.#closing.signal.reason)
      return undefined
    }
    const client = new LaneClient({
      lane,
      isFast,
      limits,
      clock,
      metrics,
      buffers,
      layoutOf,
      onFree: () => this.#dispatch(),
      onClosed: (closed, error) => this.#onLaneClosed(closed, error),
    })
    this.#lanes.add(client)
    return client
  }

  /** Wants are kept while other lanes can serve them. */
  #onOpenFailed(error: unknown): void {
    if (this.#lanes.size === 0) this.#rejectQueued(error)
  }

  #rejectQueued(error: unknown): void {
    for (const job of this.#queue.splice(0)) job.settle.reject(error)
  }

  #onLaneClosed(lane: LaneClient, error: Error | undefined): void {
    this.#lanes.delete(lane)
    if (error instanceof PeerProtocolError) this.#init.onBreach(error)
    this.#dispatch()
  }
}
