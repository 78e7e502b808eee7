/** A promise of the project about a figure, and whether this run kept it. */
export interface Bar {
  /** Path of the figure in `results`, for example `originRatio`. */
  readonly figure: string
  readonly atMost?: number
  readonly atLeast?: number
  readonly equals?: number
  readonly measured: number
}

/** Whether the promise was kept; a figure that could not be measured breaks it. */
export function isKept({ measured, atMost, atLeast, equals }: Bar): boolean {
  if (atLeast !== undefined && !(measured >= atLeast)) return false
  return (atMost === undefined || measured <= atMost) && (equals === undefined || measured === equals)
}

/** One line: `kept    originRatio 1.01 (at most 1.05)`. */
export function barLine(bar: Bar): string {
  return `${isKept(bar) ? 'kept  ' : 'MISSED'}  ${bar.figure} ${Number(bar.measured.toFixed(3))} (${wantedBy(bar)})`
}

function wantedBy({ atMost, atLeast, equals }: Bar): string {
  if (equals !== undefined) return `exactly ${equals}`
  return atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`
}
