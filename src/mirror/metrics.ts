import type { Counter, Gauge, Histogram, Metrics } from '../telemetry/index.ts'

/** What the mirror counts. */
export interface MirrorMetrics {
  readonly requests: Counter<'kind' | 'client' | 'status'>
  readonly sentBytes: Counter<'client'>
  readonly firstByteSeconds: Histogram<'kind'>
  readonly brokenBodies: Counter<'client'>
  readonly openRequests: Gauge
}

/** From a hit in memory (under 1 ms) to the longest a client is kept waiting (30 s). */
const FIRST_BYTE_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30]

/** Declares the mirror's metrics. */
export function mirrorMetrics(metrics: Metrics): MirrorMetrics {
  return {
    requests: metrics.counter({
      name: 'shoal_mirror_requests_total',
      help: 'Requests answered by the mirror.',
      labels: ['kind', 'client', 'status'],
    }),
    sentBytes: metrics.counter({
      name: 'shoal_mirror_sent_bytes_total',
      help: 'Bytes of blobs sent to clients.',
      labels: ['client'],
    }),
    firstByteSeconds: metrics.histogram({
      name: 'shoal_mirror_first_byte_seconds',
      help: 'Time from a request to the decision on its answer, with the first bytes of it at hand.',
      labels: ['kind'],
      buckets: FIRST_BYTE_BUCKETS,
    }),
    brokenBodies: metrics.counter({
      name: 'shoal_mirror_broken_bodies_total',
      help: 'Bodies that ended short because every source had failed; the client was told by a FIN.',
      labels: ['client'],
    }),
    openRequests: metrics.gauge({ name: 'shoal_mirror_open_requests', help: 'Requests being answered now.' }),
  }
}
