import type { Counter, Metrics } from '../telemetry/index.ts'

export interface TraceMetrics {
  readonly recorded: Counter
  readonly followed: Counter<'source'>
}

/** Declares the metrics of start-up traces. */
export function traceMetrics(metrics: Metrics): TraceMetrics {
  return {
    recorded: metrics.counter({
      name: 'shoal_traces_recorded_total',
      help: 'Starts whose order of reads was remembered as the best known one of its layer',
    }),
    followed: metrics.counter({
      name: 'shoal_traces_followed_total',
      help: 'Layers whose chunks were fetched ahead of a start, by whose trace it was (own, tracker, agent), or that none was known (none)',
      labels: ['source'],
    }),
  }
}
