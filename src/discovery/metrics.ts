import type { Counter, Gauge, Histogram, Metrics } from '../telemetry/index.ts'

export interface DiscoveryMetrics {
  readonly connectedPeers: Gauge
  readonly provides: Counter<'result'>
  readonly finds: Counter<'result'>
  readonly foundPeers: Counter
  readonly firstResultSeconds: Histogram
  readonly bootstrapDials: Counter<'result'>
  readonly rememberedDials: Counter<'result'>
  readonly deadProviders: Counter
}

/** Declares what discovery says about itself. */
export function discoveryMetrics(metrics: Metrics): DiscoveryMetrics {
  return {
    connectedPeers: metrics.gauge({ name: 'shoal_discovery_connected_peers', help: 'Peers connected now.' }),
    provides: metrics.counter({
      name: 'shoal_discovery_provides_total',
      help: 'Attempts to tell the DHT that a layer is here, by result.',
      labels: ['result'],
    }),
    finds: metrics.counter({
      name: 'shoal_discovery_finds_total',
      help: 'Walks through the DHT for providers of a layer, by result.',
      labels: ['result'],
    }),
    foundPeers: metrics.counter({
      name: 'shoal_discovery_found_peers_total',
      help: 'Providers that walks through the DHT have found.',
    }),
    firstResultSeconds: metrics.histogram({
      name: 'shoal_discovery_first_result_seconds',
      help: 'Time from the start of a walk to its first provider.',
      buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    }),
    bootstrapDials: metrics.counter({
      name: 'shoal_discovery_bootstrap_dials_total',
      help: 'Dials to configured peers, by result.',
      labels: ['result'],
    }),
    rememberedDials: metrics.counter({
      name: 'shoal_discovery_remembered_dials_total',
      help: 'Dials to peers remembered from earlier, by result.',
      labels: ['result'],
    }),
    deadProviders: metrics.counter({
      name: 'shoal_discovery_dead_providers_total',
      help: 'Providers reported to be gone or to have nothing.',
    }),
  }
}
