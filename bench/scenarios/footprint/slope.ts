/** How fast something grows. */
export interface Slope {
  readonly perStep: number
  /** Ends of the confidence interval of 95 %. */
  readonly low: number
  readonly high: number
}

/** The line of least squares through `values`, one at each step, and how sure it is; needs five values. */
export function slopeOf(values: readonly number[]): Slope {
  const middle = (values.length - 1) / 2
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const spread = values.reduce((sum, _, step) => sum + (step - middle) ** 2, 0)
  const perStep = values.reduce((sum, value, step) => sum + (step - middle) * (value - mean), 0) / spread
  const residual = values.reduce((sum, value, step) => sum + (value - mean - perStep * (step - middle)) ** 2, 0)
  const freedom = values.length - 2
  const error = studentT(freedom) * Math.sqrt(residual / freedom / spread)
  return { perStep, low: perStep - error, high: perStep + error }
}

/**
 * How fast the floor rises on which `values` go up and down: the slope through the least of each `groupSize` of them, per
 * value. Memory that waits for a collection goes up and down; what is never given back lifts the floor.
 */
export function floorSlopeOf(values: readonly number[], groupSize: number): Slope {
  const groups = Math.floor(values.length / groupSize)
  const floor = Array.from({ length: groups }, (_, group) =>
    Math.min(...values.slice(group * groupSize, (group + 1) * groupSize)),
  )
  const { perStep, low, high } = slopeOf(floor)
  return { perStep: perStep / groupSize, low: low / groupSize, high: high / groupSize }
}

/** Student's t for 95 %, from the first terms of its expansion about the normal one (Abramowitz and Stegun 26.7.5); 3 % short at 3. */
function studentT(freedom: number): number {
  const normal = 1.96
  const first = (normal ** 3 + normal) / 4
  const second = (5 * normal ** 5 + 16 * normal ** 3 + 3 * normal) / 96
  return normal + first / freedom + second / freedom ** 2
}
