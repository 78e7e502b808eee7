/** Share of the quota above which eviction begins; opening a blob then does not wait for one eviction after another. */
const HIGH_WATER = 0.95

/** Share of the quota down to which it goes on once begun. */
const LOW_WATER = 0.85

/** How far above the guarded free space eviction goes, as a share of it, so that it is not begun again at once. */
const FREE_SLACK = 0.1

/** How full the store and its disk are. */
export interface SpaceState {
  readonly quotaBytes: number
  /** Bytes of the disk that others always keep. */
  readonly minFreeBytes: number
  /** Written by the store. */
  readonly usedBytes: number
  /** Not yet written, promised to what is open and to what asks for room now. */
  readonly reservedBytes: number
  /** Free on the disk, for anyone. */
  readonly freeBytes: number
}

/** A thing that may go. */
export interface EvictionCandidate {
  /** What its removal gives back. */
  readonly freesBytes: number
  readonly lastUsedMs: number
  /** The higher, the fewer others have it; 0 when that is not known. */
  readonly rarity: number
}

/** Bytes that must go before what is reserved fits quota and disk. */
export function missingBytes(state: SpaceState): number {
  const overQuota = state.usedBytes + state.reservedBytes - state.quotaBytes
  const overDisk = state.minFreeBytes + state.reservedBytes - state.freeBytes
  return Math.max(0, overQuota, overDisk)
}

/** Bytes that should go now: none below the high water mark, else as many as lead to the low one. */
export function excessBytes(state: SpaceState): number {
  const committed = state.usedBytes + state.reservedBytes
  const overQuota = committed > state.quotaBytes * HIGH_WATER ? committed - state.quotaBytes * LOW_WATER : 0
  const shortOfDisk = state.minFreeBytes + state.reservedBytes - state.freeBytes
  const overDisk = shortOfDisk > 0 ? shortOfDisk + state.minFreeBytes * FREE_SLACK : 0
  return Math.max(0, overQuota, overDisk)
}

/**
 * What to remove, in order: the common before the rare, then the longest unused. `undefined` when removing everything
 * would not be enough, so that nothing is lost for a blob that will not fit anyway.
 */
export function planEviction<T extends EvictionCandidate>(
  state: SpaceState,
  candidates: readonly T[],
): readonly T[] | undefined {
  const available = candidates.reduce((total, candidate) => total + candidate.freesBytes, 0)
  if (missingBytes(state) > available) return undefined
  return takeUntil(candidates, excessBytes(state))
}

/** The first in eviction order whose removal gives back `bytes`, or all of them. */
export function takeUntil<T extends EvictionCandidate>(candidates: readonly T[], bytes: number): readonly T[] {
  const ordered = candidates.toSorted((a, b) => a.rarity - b.rarity || a.lastUsedMs - b.lastUsedMs)
  const victims: T[] = []
  let freed = 0
  for (const candidate of ordered) {
    if (freed >= bytes) break
    if (candidate.freesBytes <= 0) continue
    victims.push(candidate)
    freed += candidate.freesBytes
  }
  return victims
}
