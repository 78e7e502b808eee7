import type { Counter, Metrics } from '../telemetry/index.ts'

export interface CompletionMetrics {
  readonly layers: Counter<'outcome'>
  readonly bytes: Counter
  readonly pauses: Counter<'reason'>
}

/** Declares the metrics of background completion. `queued` is called at each render. */
export function completionMetrics(metrics: Metrics, queued: () => number): CompletionMetrics {
  metrics.gauge(
    { name: 'shoal_completion_queued_layers', help: 'Layers read in part that are to be completed' },
    (gauge) => gauge.set(queued()),
  )
  return {
    layers: metrics.counter({
      name: 'shoal_completion_layers_total',
      help: 'Layers read in part and then completed in the background (done), or left as they are after failures (given_up)',
      labels: ['outcome'],
    }),
    bytes: metrics.counter({
      name: 'shoal_completion_bytes_total',
      help: 'Bytes that came while their layer was being completed',
    }),
    pauses: metrics.counter({
      name: 'shoal_completion_pauses_total',
      help: 'Times that completing stopped for readers, for want of silence (quiet), for pulls, for want of room, or after a failure',
      labels: ['reason'],
    }),
  }
}
