import type { LaneClient } from './lane-client.ts'

/** The data lanes to one peer that are up: which of them takes the next want, and which gives way to a faster one. */
export class LaneSet implements Iterable<LaneClient> {
  readonly #lanes = new Set<LaneClient>()

  /** All lanes, also those that only finish what they are at. */
  get size(): number {
    return this.#lanes.size
  }

  /** Lanes that take wants, now or when they are free. */
  get activeCount(): number {
    let count = 0
    for (const lane of this.#lanes) if (!lane.isRetiring) count += 1
    return count
  }

  get hasFast(): boolean {
    for (const lane of this.#lanes) if (lane.isFast) return true
    return false
  }

  /** Lanes that can take a want now, the fast ones first. */
  free(): LaneClient[] {
    const free = [...this.#lanes].filter((lane) => lane.isFree)
    return [...free.filter((lane) => lane.isFast), ...free.filter((lane) => !lane.isFast)]
  }

  /** Lanes at a want of any chunk. */
  get anyCount(): number {
    let count = 0
    for (const lane of this.#lanes) if (lane.want?.chunk === 'any') count += 1
    return count
  }

  /** Lets a slow lane end as soon as it is free, one that is free already if there is one; false when there are only fast ones. */
  retireSlow(): boolean {
    const slow = [...this.#lanes].filter((lane) => !lane.isFast && !lane.isRetiring)
    const lane = slow.find(({ isFree }) => isFree) ?? slow[0]
    lane?.retire()
    return lane !== undefined
  }

  add(lane: LaneClient): void {
    this.#lanes.add(lane)
  }

  delete(lane: LaneClient): void {
    this.#lanes.delete(lane)
  }

  [Symbol.iterator](): Iterator<LaneClient> {
    return this.#lanes.values()
  }
}
