/** A promise of the project about a figure, and whether this run kept it. */
export interface Bar {
  /** Path of the figure in `results`, for example `originRatio`. */
  readonly figure: string
  readonly atMost?: number
  readonly equals?: number
  readonly measured: number
}

/** Whether the promise was kept; a figure that could not be measured breaks it. */
export function isKept({ measured, atMost, equals }: Bar): boolean {
  return (atMost === undefined || measured <= atMost) && (equals === undefined || measured === equals)
}

/** One line: `kept    originRatio 1.01 (at most 1.05)`. */
export function barLine(bar: Bar): string {
  const wanted = bar.equals === undefined ? `at most ${bar.atMost}` : `exactly ${bar.equals}`
  return `${isKept(bar) ? 'kept  ' : 'MISSED'}  ${bar.figure} ${Number(bar.measured.toFixed(3))} (${wanted})`
}
