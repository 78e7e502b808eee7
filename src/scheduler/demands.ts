import type { ChunkLayout } from '../chunking/index.ts'
import type { Clock } from '../core/index.ts'
import type { BandwidthClass } from '../util/index.ts'
import { bandwidthAmong, type Demand, patienceOf, type Urgency, urgencyAmong, windowsOf } from './demand.ts'
import type { SchedulerSettings } from './settings.ts'

export interface DemandsInit {
  readonly layout: ChunkLayout
  readonly settings: SchedulerSettings
  readonly clock: Clock
  /** With no disk to hold it, nothing beyond what readers need next is wanted. */
  readonly isOverflowing: () => boolean
}

/** What all readers of one download want together. Owns their demands. */
export class Demands {
  readonly #init: DemandsInit
  readonly #all = new Set<Demand>()

  constructor(init: DemandsInit) {
    this.#init = init
  }

  get all(): ReadonlySet<Demand> {
    return this.#all
  }

  get isEmpty(): boolean {
    return this.#all.size === 0
  }

  add(demand: Demand): void {
    this.#all.add(demand)
  }

  /** Whether it was there. */
  delete(demand: Demand): boolean {
    return this.#all.delete(demand)
  }

  /** Those that count at the moment. */
  effective(): Demand[] {
    const { isOverflowing, settings } = this.#init
    return isOverflowing() ? windowsOf(this.#all, settings.openWindowBytes) : [...this.#all]
  }

  /** How pressing `chunk` is; `undefined` when nobody wants it. */
  urgencyOf(chunk: number): Urgency | undefined {
    const { layout, settings, clock } = this.#init
    return urgencyAmong(this.effective(), chunk, layout, clock.now(), settings)
  }

  /** As what `chunk` counts under a limit. */
  bandwidthOf(chunk: number | 'any'): BandwidthClass {
    const { layout, settings, clock } = this.#init
    return bandwidthAmong(this.effective(), chunk, layout, clock.now(), settings)
  }

  /** How long the download may go without a chunk before readers are failed. */
  get patienceMs(): number {
    return patienceOf(this.#all, this.#init.settings)
  }
}
