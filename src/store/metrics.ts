import type { Counter, Metrics } from '../telemetry/index.ts'

/** What the gauges read when they are rendered. */
export interface StoreLevels {
  readonly usedBytes: number
  readonly reservedBytes: number
  readonly blobCount: number
}

export interface StoreMetrics {
  readonly evictions: Counter<'kind'>
  readonly memoryLookups: Counter<'outcome'>
  readonly readBytes: Counter
  readonly writtenBytes: Counter
  readonly sharedBytes: Counter
  readonly droppedChunks: Counter
  readonly errors: Counter<'operation'>
}

/** Declares the metrics of the store. `levels` is called at each render. */
export function storeMetrics(metrics: Metrics, levels: () => StoreLevels): StoreMetrics {
  metrics.gauge({ name: 'shoal_store_used_bytes', help: 'Bytes the store takes on disk' }, (gauge) =>
    gauge.set(levels().usedBytes),
  )
  metrics.gauge({ name: 'shoal_store_reserved_bytes', help: 'Bytes kept free for blobs that are open' }, (gauge) =>
    gauge.set(levels().reservedBytes),
  )
  metrics.gauge({ name: 'shoal_store_blobs', help: 'Blobs of which something is stored' }, (gauge) =>
    gauge.set(levels().blobCount),
  )
  return {
    evictions: metrics.counter({
      name: 'shoal_store_evictions_total',
      help: 'Blobs and documents removed to make room',
      labels: ['kind'],
    }),
    memoryLookups: metrics.counter({
      name: 'shoal_store_memory_lookups_total',
      help: 'Reads of a part of a chunk by whether memory had the chunk',
      labels: ['outcome'],
    }),
    readBytes: metrics.counter({ name: 'shoal_store_read_bytes_total', help: 'Bytes of chunks read from disk' }),
    writtenBytes: metrics.counter({ name: 'shoal_store_written_bytes_total', help: 'Bytes of chunks written to disk' }),
    sharedBytes: metrics.counter({
      name: 'shoal_store_shared_bytes_total',
      help: 'Bytes of chunks not written because another place holds them',
    }),
    droppedChunks: metrics.counter({
      name: 'shoal_store_dropped_chunks_total',
      help: 'Chunks dropped because they could not be read or did not match their digest',
    }),
    errors: metrics.counter({
      name: 'shoal_store_errors_total',
      help: 'Operations the disk refused',
      labels: ['operation'],
    }),
  }
}
