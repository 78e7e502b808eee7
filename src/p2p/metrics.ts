import type { Counter, Histogram, Metrics } from '../telemetry/index.ts'

export interface P2pMetrics {
  readonly dials: Counter<'result'>
  readonly dialSeconds: Histogram
  readonly bans: Counter
}

/** Declares what the libp2p node says about itself. */
export function p2pMetrics(metrics: Metrics): P2pMetrics {
  return {
    dials: metrics.counter({
      name: 'shoal_p2p_dials_total',
      help: 'Connections this agent tried to make, by result.',
      labels: ['result'],
    }),
    dialSeconds: metrics.histogram({
      name: 'shoal_p2p_dial_seconds',
      help: 'Time until a dialled peer was connected and authenticated.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    }),
    bans: metrics.counter({ name: 'shoal_p2p_bans_total', help: 'Peers banned for what they did.' }),
  }
}
