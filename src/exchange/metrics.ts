import { isAbort, ShoalError } from '../core/index.ts'
import type { Metrics } from '../telemetry/index.ts'
import type { LaneTraffic } from './lane.ts'

/** The numbers of the exchange; `sent` and `received` as this process sees it. */
export type ExchangeMetrics = ReturnType<typeof exchangeMetrics>

/** Declares the metrics of this module. */
export function exchangeMetrics(metrics: Metrics) {
  const traffic = trafficMetrics(metrics)
  const errors = metrics.counter({
    name: 'shoal_exchange_errors_total',
    help: 'Requests to and streams with peers that failed, by error code.',
    labels: ['code'],
  })
  return {
    traffic,
    chunks: metrics.counter({
      name: 'shoal_exchange_chunks_total',
      help: 'Chunks sent to and received from peers.',
      labels: ['direction'],
    }),
    busy: metrics.counter({
      name: 'shoal_exchange_busy_total',
      help: 'Wants that were answered by busy.',
      labels: ['direction'],
    }),
    controlMessages: metrics.counter({
      name: 'shoal_exchange_control_messages_total',
      help: 'Messages on control streams.',
      labels: ['direction'],
    }),
    ...laneMetrics(metrics),
    /** Shows the number that `inUse` gives. */
    watchUploadSlots(inUse: () => number): void {
      const help = 'Chunks being sent to peers at this moment.'
      metrics.gauge({ name: 'shoal_exchange_upload_slots_in_use', help }, (gauge) => gauge.set(inUse()))
    },
    bans: metrics.counter({
      name: 'shoal_exchange_bans_total',
      help: 'Times that a peer was banned for breaking the protocol.',
    }),
    /** Counts a failure under its code; aborts are none. */
    failed(error: unknown): void {
      if (isAbort(error)) return
      errors.inc({ code: error instanceof ShoalError ? error.code : 'INTERNAL' })
    },
  }
}

/** Counts each piece of each frame, every 16 KiB: plain numbers, which cost nothing, until somebody asks for them. */
function trafficMetrics(metrics: Metrics): LaneTraffic {
  const untold = { sent: 0, received: 0 }
  const init = {
    name: 'shoal_exchange_transferred_bytes_total',
    help: 'Bytes of frames to and from peers, before encryption.',
    labels: ['direction'] as const,
  }
  metrics.counter(init, (counter) => {
    for (const direction of ['sent', 'received'] as const) {
      counter.inc({ direction }, untold[direction])
      untold[direction] = 0
    }
  })
  return {
    sent: (bytes) => {
      untold.sent += bytes
    },
    received: (bytes) => {
      untold.received += bytes
    },
  }
}

/** Of the data lanes and what carries them. */
function laneMetrics(metrics: Metrics) {
  return {
    lanes: metrics.counter({
      name: 'shoal_exchange_lanes_total',
      help: 'Data lanes and, over TLS, control streams opened, by what carries them and by who opened them (sent: we did).',
      labels: ['carrier', 'direction'],
    }),
    tlsFallbacks: metrics.counter({
      name: 'shoal_exchange_tls_fallbacks_total',
      help: 'Bulk ports that were tried and could not be used, so that a libp2p stream took the place.',
    }),
    tlsLate: metrics.counter({
      name: 'shoal_exchange_tls_late_total',
      help: 'Data lanes over TLS that came when a libp2p stream had taken their place, and replaced it.',
    }),
    tlsRefusals: metrics.counter({
      name: 'shoal_exchange_tls_refusals_total',
      help: 'Sockets at our bulk port that were not let in, by reason.',
      labels: ['reason'],
    }),
  }
}
