import type { Counter, Metrics } from '../telemetry/index.ts'

export interface PrefetchMetrics {
  readonly orders: Counter<'from'>
  readonly refused: Counter
  readonly pulls: Counter<'result'>
  readonly pulledBytes: Counter
}

/** Declares what prefetching says about itself; `underWay` counts the orders that this process has a part in. */
export function prefetchMetrics(metrics: Metrics, underWay: () => number): PrefetchMetrics {
  metrics.gauge(
    { name: 'shoal_prefetch_orders', help: 'Orders to prefetch an image that are under way here.' },
    (gauge) => gauge.set(underWay()),
  )
  return {
    orders: metrics.counter({
      name: 'shoal_prefetch_orders_total',
      help: 'Orders to prefetch an image, by where they came from: admin (given here) or peer (passed on by a peer).',
      labels: ['from'],
    }),
    refused: metrics.counter({
      name: 'shoal_prefetch_refused_orders_total',
      help: 'Orders of peers that were not taken since there were too many.',
    }),
    pulls: metrics.counter({
      name: 'shoal_prefetch_pulls_total',
      help: 'Images that this node was ordered to prefetch, by result: done, failed or cancelled.',
      labels: ['result'],
    }),
    pulledBytes: metrics.counter({
      name: 'shoal_prefetch_pulled_bytes_total',
      help: 'Bytes that came to this node by orders, those that it held before not counted.',
    }),
  }
}
