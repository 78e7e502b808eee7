import type { Metrics } from '../telemetry/index.ts'

/** Requests to registries are mostly 10 ms to 1 s; the tails are what a timeout would cut. */
const LATENCY_BUCKETS_SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export type OriginMetrics = ReturnType<typeof originMetrics>

/** Declares what the origin client counts. */
export function originMetrics(metrics: Metrics) {
  return {
    requests: metrics.counter({
      name: 'shoal_origin_requests_total',
      help: 'Requests to origins and the storage they redirect to; status is 2xx to 5xx, or error when no answer came.',
      labels: ['namespace', 'method', 'status'],
    }),
    latency: metrics.histogram({
      name: 'shoal_origin_response_seconds',
      help: 'Time from sending a request to an origin until its headers are here.',
      labels: ['namespace'],
      buckets: LATENCY_BUCKETS_SECONDS,
    }),
    bytes: metrics.counter({
      name: 'shoal_origin_received_bytes_total',
      help: 'Bytes of answers read from origins.',
      labels: ['namespace'],
    }),
    discarded: metrics.counter({
      name: 'shoal_origin_discarded_bytes_total',
      help: 'Bytes read and thrown away because the origin ignored the Range header.',
      labels: ['namespace'],
    }),
    retries: metrics.counter({
      name: 'shoal_origin_retries_total',
      help: 'Requests repeated after a failure.',
      labels: ['namespace'],
    }),
    throttles: metrics.counter({
      name: 'shoal_origin_throttles_total',
      help: 'Answers 429 from origins.',
      labels: ['namespace'],
    }),
    tokens: metrics.counter({
      name: 'shoal_origin_token_requests_total',
      help: 'Requests for bearer tokens; outcome is granted, refused or failed.',
      labels: ['namespace', 'outcome'],
    }),
    rateLimitRemaining: metrics.gauge({
      name: 'shoal_origin_ratelimit_remaining_requests',
      help: 'What the origin last said is left of its rate limit (Docker Hub sends it with manifests).',
      labels: ['namespace'],
    }),
  }
}
