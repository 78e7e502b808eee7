import type { Bar, Chart, Table } from './report/index.ts'

export type { Bar }

/** One flag of a scenario, as commander writes it: `--nodes <count>`. */
export interface ScenarioFlag {
  readonly flags: string
  readonly description: string
  readonly defaultValue?: string | number | boolean
  /** Turns what was typed into a value; throws an `Error` whose message says what is accepted. */
  readonly parse?: (text: string) => unknown
}

/** What a scenario is given besides its flags. */
export interface ScenarioContext {
  /** Aborted when the user interrupts; a scenario ends soon after, cleaning up what it started. */
  readonly signal: AbortSignal
  /** Measured repetitions; each figure is the median over them. */
  readonly runs: number
  /** Says what is going on; `doneShare` from 0 to 1 moves a progress bar on a terminal. */
  progress(text: string, doneShare?: number): void
}

/** What a scenario found. */
export interface ScenarioReport {
  /** The flags as they were understood, with units in their names. */
  readonly params: Readonly<Record<string, unknown>>
  /**
   * The figures, medians of the runs; `spread` has minimum and maximum of each under the same names. The command fails when
   * there is a `failedPulls` other than 0.
   */
  readonly results: Readonly<Record<string, unknown>>
  readonly tables: readonly Table[]
  readonly charts: readonly Chart[]
  /** Only those that hold for the params of this run. */
  readonly bars: readonly Bar[]
}

/** One measurement of the load generator: `npm run bench -- NAME [--flags]`. */
export interface Scenario {
  readonly name: string
  /** One line for the list of scenarios. */
  readonly summary: string
  readonly flags: readonly ScenarioFlag[]
  /** Command lines for `--help`, beginning with the scenario's name. */
  readonly examples?: readonly string[]
  /** Measures, and ends everything it started before it returns or throws. */
  run(flags: Readonly<Record<string, unknown>>, context: ScenarioContext): Promise<ScenarioReport>
}
