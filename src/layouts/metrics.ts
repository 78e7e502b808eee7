import type { Counter, Metrics } from '../telemetry/index.ts'

export interface LayoutMetrics {
  readonly settled: Counter<'source'>
}

/** Declares the metrics of layouts. */
export function layoutMetrics(metrics: Metrics): LayoutMetrics {
  return {
    settled: metrics.counter({
      name: 'shoal_layouts_settled_total',
      help: 'Layers with a table of contents, by who said how to cut them (tracker, agents, or the table itself: origin), or that nobody could (none)',
      labels: ['source'],
    }),
  }
}
