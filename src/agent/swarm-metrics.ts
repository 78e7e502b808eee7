import type { Scheduler } from '../scheduler/index.ts'
import type { Metrics } from '../telemetry/index.ts'

/** Counts what the scheduler brings in: bytes and chunks by source, downloads and readers as they are. */
export function swarmMetrics(metrics: Metrics, scheduler: Scheduler, ownZone: string): void {
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
  const fromPeers = metrics.counter({
    name: 'shoal_scheduler_received_bytes_total',
    help: 'Verified bytes from peers and trackers: near (our zone), far (another) or unknown (either side does not say).',
    labels: ['zone'],
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
    receivedFrom: (zone, sizeBytes) => fromPeers.inc({ zone: distanceOf(zone, ownZone) }, sizeBytes),
    completed: () => completed.inc(),
  })
}

/** Zones themselves are no label: peers may say anything. */
function distanceOf(zone: string, ownZone: string): 'near' | 'far' | 'unknown' {
  if (zone === '' || ownZone === '') return 'unknown'
  return zone === ownZone ? 'near' : 'far'
}
