import { gridLayout } from '../../src/chunking/index.ts'
import type { Demand } from '../../src/scheduler/demand.ts'
import { defaultSettings } from '../../src/scheduler/index.ts'
import { ReadAhead, type ReadAheadTarget } from '../../src/scheduler/read-ahead.ts'
import { VirtualClock } from './virtual-clock.ts'

/** A blob that fetches nothing and notes what is wanted of it ahead of its readers. */
export class ReadAheadLab implements ReadAheadTarget {
  readonly clock = new VirtualClock()
  /** Chunks of the blob that are there. */
  readonly held = new Set<number>()
  readonly readAhead: ReadAhead
  readonly blob: ReadAheadTarget['blob']
  isComplete = false
  /** Demands added so far. */
  wantedTimes = 0
  readonly #demands = new Set<Demand>()

  constructor(sizeBytes: number, limitBytes: number) {
    const isComplete = (): boolean => this.isComplete
    this.blob = {
      layout: gridLayout(sizeBytes),
      get isComplete() {
        return isComplete()
      },
      has: (chunk) => this.held.has(chunk),
    }
    this.readAhead = new ReadAhead({ limitBytes }, { target: this, clock: this.clock })
  }

  /** What is wanted ahead now. */
  get wanted(): { start: number; end: number }[] {
    return [...this.#demands].map(({ position, end }) => ({ start: position, end }))
  }

  read(start: number, end: number): void {
    this.readAhead.note(start, end)
  }

  want(demand: Demand): void {
    this.wantedTimes++
    this.#demands.add(demand)
  }

  unwant(demand: Demand): void {
    this.#demands.delete(demand)
  }
}

/** A blob of `sizeBytes`, read ahead of as far as an agent does unless said. */
export function readAheadLab(sizeBytes: number, limitBytes = defaultSettings.readAheadBytes): ReadAheadLab {
  return new ReadAheadLab(sizeBytes, limitBytes)
}
