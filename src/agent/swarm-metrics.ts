import type { Scheduler } from '../scheduler/index.ts'
import type { Metrics } from '../telemetry/index.ts'

/** Counts what the scheduler brings in: bytes and chunks by source, downloads and readers as they are. */
export function swarmMetrics(metrics: Metrics, scheduler: Scheduler): void {
  const bytes = metrics.counter({
    name: 'shoal_scheduler_fetched_bytes_total',
    help: 'Verified bytes added to the store, by where they came from.',
    labels: ['source'],
  })
  const chunks = metrics.counter({
    name: 'shoal_scheduler_fetched_chunks_total',
    help: 'Verified chunks added to the store, by where they came from.',
    labels: ['source'],
  })
  const completed = metrics.counter({
    name: 'shoal_scheduler_completed_blobs_total',
    help: 'Blobs that came to be whole, their own sha256 checked.',
  })
  metrics.gauge({ name: 'shoal_scheduler_downloads', help: 'Downloads open, idle ones included.' }, (gauge) =>
    gauge.set(scheduler.downloads().length),
  )
  metrics.gauge({ name: 'shoal_scheduler_readers', help: 'Readers waiting for or reading bytes.' }, (gauge) =>
    gauge.set(scheduler.downloads().reduce((sum, { readers }) => sum + readers, 0)),
  )
  scheduler.listen({
    chunkHeld: (_ref, _chunk, _digest, source, sizeBytes) => {
      bytes.inc({ source }, sizeBytes)
      chunks.inc({ source })
    },
    completed: () => completed.inc(),
  })
}
