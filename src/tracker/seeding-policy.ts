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
 * uploads is new to the swarm (superseeding). With none such, and `mayRepeat`, the one with the fewest copies. Among
 * equals the lowest number, since clients read from the beginning.
 */
export function chooseChunk(candidates: Iterable<SeedCandidate>, mayRepeat: boolean): number | undefined {
  let best: { chunk: number; key: number } | undefined
  for (const { chunk, handed, copies } of candidates) {
    if (handed > 0 && copies > 0 && !mayRepeat) continue
    const key = handed + copies
    if (best === undefined || key < best.key) best = { chunk, key }
  }
  return best?.chunk
}
