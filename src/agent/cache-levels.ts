import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { CACHE_LEVELS, type CacheLevel, type Scheduler } from '../scheduler/index.ts'
import type { StoreUsage } from '../store/index.ts'
import type { Counter, Histogram, Metrics } from '../telemetry/index.ts'

/** Seconds; from a read of memory, some tens of microseconds, to what a registry takes that is in trouble. */
const BUCKETS = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]

/** Longest time told apart: nobody waits as long for a chunk. */
const MAX_MICROSECONDS = 120_000_000

const MICROSECONDS = 1_000

/** One level as `status` shows it. Milliseconds; sizes only of what is this agent's own. */
export interface CacheLevelStatus {
  readonly level: CacheLevel
  readonly usedBytes?: number
  readonly limitBytes?: number
  readonly hits: number
  readonly bytes: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface CacheLevelsComponents {
  readonly scheduler: Pick<Scheduler, 'listen' | 'freshChunks'>
  readonly store: { usage(): Pick<StoreUsage, 'usedBytes' | 'quotaBytes' | 'memoryBytes' | 'memoryLimitBytes'> }
  readonly metrics: Metrics
}

interface Tally {
  hits: number
  bytes: number
  /** Microseconds. */
  readonly times: RecordableHistogram
  readonly hitsTotal: Counter.Internal
  readonly bytesTotal: Counter.Internal
  readonly seconds: Histogram.Internal<'level'>
}

/** Where the bytes came from that clients were given, chunk by chunk, and how long each had to be waited for. */
export class CacheLevels {
  readonly #components: CacheLevelsComponents
  readonly #tallies: Readonly<Record<CacheLevel, Tally>>

  constructor(components: CacheLevelsComponents) {
    const { scheduler, metrics } = components
    this.#components = components
    const hits = metrics.counter({
      name: 'shoal_cache_hits_total',
      help: 'Chunks, or parts of one, that clients were given, by the level they came from',
      labels: ['level'],
    })
    const bytes = metrics.counter({
      name: 'shoal_cache_served_bytes_total',
      help: 'Bytes that clients were given, by the level they came from',
      labels: ['level'],
    })
    const seconds = metrics.histogram({
      name: 'shoal_cache_seconds',
      help: 'From asking for a chunk, or a part of one, to having it, by the level it came from',
      labels: ['level'],
      buckets: BUCKETS,
    })
    const tallyOf = (level: CacheLevel): Tally => ({
      hits: 0,
      bytes: 0,
      times: createHistogram({ lowest: 1, highest: MAX_MICROSECONDS, figures: 2 }),
      hitsTotal: hits.labels({ level }),
      bytesTotal: bytes.labels({ level }),
      seconds: seconds.labels({ level }),
    })
    this.#tallies = {
      memory: tallyOf('memory'),
      disk: tallyOf('disk'),
      peers: tallyOf('peers'),
      tracker: tallyOf('tracker'),
      origin: tallyOf('origin'),
    }
    this.#declareSizes(metrics)
    scheduler.listen({ served: (level, sizeBytes, tookMs) => this.#served(level, sizeBytes, tookMs) })
  }

  get status(): CacheLevelStatus[] {
    const sizes = this.#sizes()
    return CACHE_LEVELS.map((level) => {
      const { hits, bytes, times } = this.#tallies[level]
      const [p50Ms, p99Ms] = [50, 99].map((share) => (hits === 0 ? 0 : times.percentile(share) / MICROSECONDS))
      const own = level === 'memory' || level === 'disk' ? sizes[level] : {}
      return { level, ...own, hits, bytes, p50Ms: p50Ms ?? 0, p99Ms: p99Ms ?? 0 }
    })
  }

  #served(level: CacheLevel, sizeBytes: number, tookMs: number): void {
    const tally = this.#tallies[level]
    tally.hits++
    tally.bytes += sizeBytes
    tally.times.record(Math.min(MAX_MICROSECONDS, Math.max(1, Math.round(tookMs * MICROSECONDS))))
    tally.hitsTotal.inc()
    tally.bytesTotal.inc(sizeBytes)
    tally.seconds.observe(tookMs / 1_000)
  }

  #sizes() {
    const { scheduler, store } = this.#components
    const { usedBytes, quotaBytes, memoryBytes, memoryLimitBytes } = store.usage()
    const { keptBytes, limitBytes } = scheduler.freshChunks
    return {
      memory: { usedBytes: memoryBytes + keptBytes, limitBytes: memoryLimitBytes + limitBytes },
      disk: { usedBytes, limitBytes: quotaBytes },
    }
  }

  #declareSizes(metrics: Metrics): void {
    const levels = ['memory', 'disk'] as const
    const used = { name: 'shoal_cache_bytes', help: 'Bytes kept at a level of this agent', labels: ['level'] as const }
    metrics.gauge(used, (gauge) => {
      const sizes = this.#sizes()
      for (const level of levels) gauge.set({ level }, sizes[level].usedBytes)
    })
    const limit = { name: 'shoal_cache_limit_bytes', help: 'Most bytes kept at a level', labels: ['level'] as const }
    metrics.gauge(limit, (gauge) => {
      const sizes = this.#sizes()
      for (const level of levels) gauge.set({ level }, sizes[level].limitBytes)
    })
  }
}
