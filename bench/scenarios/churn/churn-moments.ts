/** Something that happens in the middle of a roll-out. */
export interface Moment {
  /** Share of the image that the clients of the first agents have on average by then. */
  readonly share: number
  readonly kind: 'kill' | 'join'
}

/** Kills, and joins as well, evenly over the roll-out, neither at its beginning nor at its end; in the order in which they come. */
export function momentsOf(kills: number, joins: number): readonly Moment[] {
  return [...evenly('kill', kills), ...evenly('join', joins)].toSorted((a, b) => a.share - b.share)
}

function evenly(kind: Moment['kind'], count: number): readonly Moment[] {
  return Array.from({ length: count }, (_, index) => ({ kind, share: (index + 1) / (count + 1) }))
}
