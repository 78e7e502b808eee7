import { askAgents, askTrackers, type DocumentPeers } from '../catalog/index.ts'
import { type AbortOptions, type BlobRef, type Clock, type Digest, isAbort, type StartTrace } from '../core/index.ts'
import { type BlobHandle, type LazyRead, type OriginAccess, TaskGroup } from '../scheduler/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import type { TraceBook } from './book.ts'
import { Foresight } from './foresight.ts'
import { type TraceMetrics, traceMetrics } from './metrics.ts'

/** Layers fetched for at a time: those of some images; what comes then has to do without. */
const MAX_GUIDED = 64

/** Layers remembered as guided: each start is guided once, whatever it reads later. */
const MAX_KNOWN = 4_096

/** A start that takes longer has read what its trace names, or never will. */
const GUIDE_LIMIT_MS = 120_000

/** Longest wait for a tracker that is told of a trace. */
const OFFER_TIMEOUT_MS = 3_000

export interface TraceGuideComponents {
  readonly book: TraceBook
  readonly peers: DocumentPeers
  readonly open: (
    ref: BlobRef,
    access: OriginAccess,
    options: AbortOptions,
  ) => Promise<Pick<BlobHandle, 'fetchInOrder' | 'close'>>
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** A trace being followed. */
interface Following {
  readonly foresight: Foresight
  readonly ending: AbortController
}

/** With the first lazy read of a layer here, fetches what other starts read next, in their order. Owns these fetches. */
export class TraceGuide {
  readonly #components: TraceGuideComponents
  readonly #logger: Logger
  readonly #metrics: TraceMetrics
  readonly #tasks = new TaskGroup()
  readonly #known = new Set<Digest>()
  readonly #following = new Map<Digest, Following>()
  #guidedCount = 0

  constructor(components: TraceGuideComponents) {
    this.#components = components
    this.#logger = components.logger.child({ module: 'traces' })
    this.#metrics = traceMetrics(components.metrics)
  }

  /** A client reads a part of a layer. Returns at once. */
  read(read: LazyRead): void {
    const following = this.#following.get(read.ref.digest)
    if (following === undefined) return this.#begin(read)
    const { range, kind, layout } = read
    if (kind !== 'range' || range.start >= range.end) return
    if (!following.foresight.isRightAfter(layout.chunkAt(range.start))) following.ending.abort()
  }

  #begin({ ref, kind, access, layout, isComplete }: LazyRead): void {
    if (kind !== 'range' || isComplete || this.#guidedCount >= MAX_GUIDED || this.#known.has(ref.digest)) return
    this.#known.add(ref.digest)
    for (const oldest of this.#known) {
      if (this.#known.size <= MAX_KNOWN) break
      this.#known.delete(oldest)
    }
    this.#guidedCount++
    this.#tasks.run(async (closing) => {
      try {
        await this.#guide(ref, access, layout, closing)
      } catch (error) {
        if (!isAbort(error)) this.#logger.debug({ err: error, digest: ref.digest }, 'trace not followed to its end')
      } finally {
        this.#guidedCount--
      }
    })
  }

  /** A start here is over: what it read is remembered, and told to the trackers, if nothing better is known. */
  learn(digest: Digest, trace: StartTrace): void {
    if (!this.#components.book.offer(digest, trace)) return
    this.#metrics.recorded.inc()
    const { peers } = this.#components
    this.#tasks.run(async (signal) => {
      const request = { kind: 'trace', digest, offer: trace } as const
      await Promise.all(
        peers.trackers().map(async (tracker) => {
          const deadline = AbortSignal.any([signal, AbortSignal.timeout(OFFER_TIMEOUT_MS)])
          await peers.ask(tracker, request, { signal: deadline }).catch((error: unknown) => {
            this.#logger.debug({ err: error, peer: tracker.id }, 'tracker was not told of a trace')
          })
        }),
      )
    })
  }

  async stop(): Promise<void> {
    await this.#tasks.close()
  }

  async #guide(ref: BlobRef, access: OriginAccess, layout: LazyRead['layout'], closing: AbortSignal): Promise<void> {
    const { clock, open } = this.#components
    const ending = new AbortController()
    const timer = clock.after(GUIDE_LIMIT_MS, () => ending.abort())
    const signal = AbortSignal.any([closing, ending.signal])
    try {
      const trace = await this.#traceOf(ref, signal)
      if (trace === undefined) return
      const chunks = trace.offsets.map((at) => layout.chunkAt(at))
      this.#following.set(ref.digest, { foresight: new Foresight(chunks), ending })
      const handle = await open(ref, access, { signal })
      try {
        await handle.fetchInOrder(trace.offsets, { signal })
      } finally {
        handle.close()
      }
    } finally {
      this.#following.delete(ref.digest)
      timer.clear()
    }
  }

  /** Our own, or one that a tracker or an agent knows and that is of this layer. */
  async #traceOf({ digest, sizeBytes }: BlobRef, signal: AbortSignal): Promise<StartTrace | undefined> {
    const { book, peers } = this.#components
    const own = book.get(digest)
    if (own?.sizeBytes === sizeBytes) return this.#found('own', own)
    const request = { kind: 'trace', digest } as const
    const ofTracker = (await askTrackers(peers, request, { signal }, this.#logger))?.trace
    if (ofTracker?.sizeBytes === sizeBytes) return this.#found('tracker', ofTracker)
    for await (const { trace } of askAgents(peers, request, { signal }, this.#logger))
      if (trace.sizeBytes === sizeBytes) return this.#found('agent', trace)
    this.#metrics.followed.inc({ source: 'none' })
    return undefined
  }

  #found(source: 'own' | 'tracker' | 'agent', trace: StartTrace): StartTrace {
    this.#metrics.followed.inc({ source })
    return trace
  }
}
