/** Ticks of an axis from 0, or `min`, to at least `max`. */
export interface Axis {
  readonly min: number
  readonly max: number
  readonly ticks: readonly number[]
}

/** About so many ticks fit an axis without crowding. */
const WANTED_TICKS = 5

/** An axis over all of `values` whose ticks are round numbers (1, 2 or 5 times a power of ten). */
export function axisOver(values: readonly number[], fromZero: boolean): Axis {
  const finite = values.filter(Number.isFinite)
  const low = fromZero ? 0 : Math.min(...finite)
  const high = Math.max(...finite, low)
  const step = roundStep((high - low || Math.abs(high) || 1) / WANTED_TICKS)
  const first = Math.floor(low / step)
  const last = Math.max(Math.ceil(high / step), first + 1)
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)))
  return { min: first * step, max: last * step, ticks }
}

function roundStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(atLeast))
  return ([1, 2, 5].find((digit) => digit * power >= atLeast) ?? 10) * power
}

/** A tick's number as short as it can be: `0.5`, `20`, `1.5M`. */
export function tickLabel(value: number): string {
  const units = [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e4, 'k'],
  ] as const
  const unit = units.find(([size]) => Math.abs(value) >= size)
  if (unit === undefined) return String(value)
  const [size, name] = unit
  const factor = name === 'k' ? 1e3 : size
  return `${Number((value / factor).toPrecision(6))}${name}`
}
