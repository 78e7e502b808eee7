import { median, spreadOf } from '../report/index.ts'

/** Named figures of one run, in groups within groups. */
export interface Figures {
  readonly [name: string]: number | Figures
}

interface Spread {
  readonly [name: string]: { readonly min: number; readonly max: number } | Spread
}

/** The median of every figure over `runs`, which all have the same names; `spread` has its smallest and largest value. */
export function summarize(runs: readonly Figures[]): { readonly medians: Figures; readonly spread: Spread } {
  return {
    medians: combine(runs, median) as Figures,
    spread: combine(runs, spreadOf) as Spread,
  }
}

/** The figure at `path`, such as `peer.p50Ms`; `NaN` where there is none. */
export function figureAt(figures: Figures, path: string): number {
  const found = path
    .split('.')
    .reduce<number | Figures | undefined>((at, name) => (typeof at === 'object' ? at[name] : undefined), figures)
  return typeof found === 'number' ? found : Number.NaN
}

function combine(runs: readonly Figures[], of: (values: readonly number[]) => unknown): Record<string, unknown> {
  const names = Object.keys(runs[0] ?? {})
  return Object.fromEntries(
    names.map((name) => [
      name,
      combineOne(
        runs.map((run) => run[name]),
        of,
      ),
    ]),
  )
}

function combineOne(values: readonly (number | Figures | undefined)[], of: (values: readonly number[]) => unknown) {
  const isGroup = typeof values[0] === 'object'
  return isGroup ? combine(values as readonly Figures[], of) : of(values as readonly number[])
}
