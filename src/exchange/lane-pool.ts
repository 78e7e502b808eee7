import type { AbortOptions, Clock } from '../core/index.ts'
import type { Buffers } from '../util/index.ts'
import { withDeadline } from './deadline.ts'
import { PeerBusyError, PeerClosedError, PeerProtocolError, PeerStalledError } from './errors.ts'
import type { ReceivedChunk } from './follow-events.ts'
import type { Lane } from './lane.ts'
import { LaneClient } from './lane-client.ts'
import type { ExchangeLimits } from './limits.ts'
import type { Urgency, WantMessage } from './messages.ts'
import type { ExchangeMetrics } from './metrics.ts'

export interface LanePoolInit {
  readonly maxLanes: number
  readonly limits: ExchangeLimits
  readonly clock: Clock
  readonly metrics: ExchangeMetrics
  /** For the chunks that come. */
  readonly buffers: Buffers
  /** Opens one more lane to the peer. */
  readonly openLane: (options: AbortOptions) => Promise<Lane>
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

/** The data lanes to one peer: opened when wants wait, closed when idle, each at one want at a time, the urgent first. */
export class LanePool {
  readonly #init: LanePoolInit
  readonly #lanes = new Set<LaneClient>()
  readonly #queue: Job[] = []
  readonly #closing = new AbortController()
  readonly #opening = new Set<Promise<void>>()

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
    for (const lane of this.#lanes) {
      if (!lane.isFree) continue
      const job = this.#nextJob()
      if (job === undefined) break
      lane.request(job.want, { signal: job.signal }).then(job.settle.resolve, job.settle.reject)
    }
    while (this.#needsLane()) this.#openOne()
  }

  /** Wants of any chunk may wait long at the peer, so they leave one lane to the others. */
  #nextJob(): Job | undefined {
    const mayBeAny = this.#anyCount() < Math.max(1, this.#init.maxLanes - 1)
    const at = this.#queue.findIndex((job) => mayBeAny || job.want.chunk !== 'any')
    return at < 0 ? undefined : this.#queue.splice(at, 1)[0]
  }

  #anyCount(): number {
    let count = 0
    for (const lane of this.#lanes) if (lane.want?.chunk === 'any') count += 1
    return count
  }

  #needsLane(): boolean {
    if (this.#closing.signal.aborted) return false
    const lanes = this.#lanes.size + this.#opening.size
    return this.#queue.length > this.#opening.size && lanes < this.#init.maxLanes
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
    const { clock, limits, metrics, buffers, openLane } = this.#init
    const makeError = () => new PeerStalledError('the peer takes no more streams')
    const init = { clock, timeoutMs: limits.helloTimeoutMs, signal: this.#closing.signal, makeError }
    const lane = await withDeadline(init, (signal) => openLane({ signal }))
    if (this.#closing.signal.aborted) return lane.abort(this.#closing.signal.reason)
    const client = new LaneClient({
      lane,
      limits,
      clock,
      metrics,
      buffers,
      onFree: () => this.#dispatch(),
      onClosed: (closed, error) => this.#onLaneClosed(closed, error),
    })
    this.#lanes.add(client)
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
