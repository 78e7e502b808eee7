import { DIRECTIONS, type Direction } from '../config/index.ts'
import type { Metrics } from '../telemetry/index.ts'
import { type BandwidthClass, type BandwidthLimiter, RATE_NAMES } from '../util/index.ts'

export interface BandwidthMetrics {
  waited(direction: Direction, bandwidthClass: BandwidthClass, waitedMs: number): void
  /** Shows the rates and waits of what `limiterOf` gives. */
  watch(limiterOf: (direction: Direction) => BandwidthLimiter): void
}

/** Declares what is counted of bandwidth limits. */
export function bandwidthMetrics(metrics: Metrics): BandwidthMetrics {
  const waits = metrics.counter({
    name: 'shoal_limits_wait_seconds_total',
    help: 'Time that transfers waited for bandwidth, by direction and class, all transfers added up.',
    labels: ['direction', 'class'],
  })
  return {
    waited: (direction, bandwidthClass, waitedMs) => waits.inc({ direction, class: bandwidthClass }, waitedMs / 1000),
    watch(limiterOf) {
      const rate = { name: 'shoal_limits_rate_bytes_per_second', labels: ['direction', 'class'] as const }
      metrics.gauge({ ...rate, help: 'Bandwidth limits in force; absent where there is none.' }, (gauge) => {
        gauge.reset()
        for (const direction of DIRECTIONS) {
          const { rates } = limiterOf(direction)
          for (const name of RATE_NAMES) {
            if (Number.isFinite(rates[name])) gauge.set({ direction, class: name }, rates[name])
          }
        }
      })
      const waiting = { name: 'shoal_limits_waiting_transfers', labels: ['direction'] as const }
      metrics.gauge({ ...waiting, help: 'Transfers that wait for bandwidth at this moment.' }, (gauge) => {
        for (const direction of DIRECTIONS) gauge.set({ direction }, limiterOf(direction).waitingCount)
      })
    },
  }
}
