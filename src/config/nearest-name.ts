/** A slip of the pen changes at most this share of a name; further away a hint misleads more than it helps. */
const MAX_CHANGED_SHARE = 0.45

/** The one of `candidates` that `name` was most likely meant to be, or `undefined` when none is near. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    const distance = editDistance(normalise(name), normalise(candidate))
    const limit = Math.max(name.length, candidate.length) * MAX_CHANGED_SHARE
    if (distance <= limit && distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

/** `min_free`, `min-free` and `minFree` are the same word to whoever wrote them. Long input is cut: it is near to nothing. */
function normalise(name: string): string {
  return name.slice(0, 64).toLowerCase().replaceAll(/[-_]/g, '')
}

/** Levenshtein distance by rows. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
