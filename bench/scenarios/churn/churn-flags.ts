import { countOf, parseRate, parseSize } from '../../flag-values.ts'
import type { ScenarioFlag } from '../../scenario.ts'
import { UsageError } from '../../usage-error.ts'

/** The flags of `churn` as they come from the command line. */
export interface ChurnFlags {
  readonly nodes: number
  readonly kills: number
  readonly joins: number
  readonly size: number
  readonly layers: number
  readonly rate?: number
  readonly originRate?: number
  readonly tracker: boolean
  readonly baseline: boolean
}

export const churnFlags: readonly ScenarioFlag[] = [
  {
    flags: '--nodes <count>',
    description: 'agents that begin to pull at once',
    defaultValue: 8,
    parse: countOf(2, 200),
  },
  {
    flags: '--kills <count>',
    description: 'of these, agents that are killed',
    defaultValue: 2,
    parse: countOf(0, 199),
  },
  { flags: '--joins <count>', description: 'agents that join meanwhile', defaultValue: 2, parse: countOf(0, 200) },
  { flags: '--size <size>', description: 'bytes of all layers together', defaultValue: '128MiB', parse: parseSize },
  { flags: '--layers <count>', description: 'layers of equal size', defaultValue: 4, parse: countOf(1, 100) },
  { flags: '--rate <rate>', description: 'link of each agent and tracker, both ways (needs root)', parse: parseRate },
  { flags: '--origin-rate <rate>', description: 'link of the origin; default: as --rate', parse: parseRate },
  { flags: '--no-tracker', description: 'without a tracker' },
  { flags: '--no-baseline', description: 'no pulls without Shoal' },
]

/** Refuses flags that contradict each other. */
export function checkFlags({ kills, nodes, size, layers, rate, originRate }: ChurnFlags): void {
  if (kills >= nodes) throw new UsageError('--kills must leave one of the --nodes alive')
  if (size < layers) throw new UsageError(`--size must have a byte for each of the ${layers} layers`)
  if (originRate !== undefined && rate === undefined) throw new UsageError('--origin-rate needs --rate')
}
