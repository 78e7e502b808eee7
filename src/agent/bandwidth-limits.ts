import { changedLimits, type Direction, type Limits, type LimitsChange } from '../config/index.ts'
import type { Clock } from '../core/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { BandwidthLimiter } from '../util/index.ts'
import { bandwidthMetrics } from './bandwidth-metrics.ts'

export interface BandwidthLimitsComponents {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** The bandwidth of this process in each direction: as configured, and as changed since, which a restart forgets. */
export class BandwidthLimits implements Readonly<Record<Direction, BandwidthLimiter>> {
  readonly upload: BandwidthLimiter
  readonly download: BandwidthLimiter
  readonly origin: BandwidthLimiter
  readonly #logger: Logger

  constructor(limits: Limits, { clock, logger, metrics }: BandwidthLimitsComponents) {
    const counted = bandwidthMetrics(metrics)
    const limiterFor = (direction: Direction) =>
      new BandwidthLimiter(limits[direction], {
        clock,
        onWaited: (bandwidthClass, waitedMs) => counted.waited(direction, bandwidthClass, waitedMs),
      })
    this.upload = limiterFor('upload')
    this.download = limiterFor('download')
    this.origin = limiterFor('origin')
    this.#logger = logger.child({ module: 'limits' })
    counted.watch((direction) => this[direction])
  }

  /** What is in force now. */
  get limits(): Limits {
    return { upload: this.upload.rates, download: this.download.rates, origin: this.origin.rates }
  }

  /** Puts what `change` names into force at once; who waits is looked at again. */
  change(change: LimitsChange): void {
    const limits = changedLimits(this.limits, change)
    this.upload.setRates(limits.upload)
    this.download.setRates(limits.download)
    this.origin.setRates(limits.origin)
    this.#logger.info({ change }, 'limits changed')
  }
}
