import type { Random } from '../core/index.ts'

/** What is known of one chunk when choosing which to hand out. */
export interface SeedCandidate {
  readonly chunk: number
  /** Times this tracker handed it out. */
  readonly handed: number
  /** Agents known to hold it. */
  readonly copies: number
}

/**
 * The chunk to hand to an agent that asked for any: one that nobody was given yet, so that every byte this tracker
 * uploads is new to the swarm (superseeding). With none such, and `mayRepeat`, the one with the fewest copies.
 */
export function chooseChunk(candidates: Iterable<SeedCandidate>, mayRepeat: boolean, random: Random): number | undefined {
  let best: { chunk: number; key: number } | undefined
  for (const { chunk, handed, copies } of candidates) {
    if (handed > 0 && copies > 0 && !mayRepeat) continue
    const key = handed + copies + random()
    if (best === undefined || key < best.key) best = { chunk, key }
  }
  return best?.chunk
}
