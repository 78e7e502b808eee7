import { ShoalError } from '../core/index.ts'

/** One thing wrong with the configuration. */
export interface ConfigProblem {
  /** The setting, such as `mirror.listen[0]`. */
  readonly path: string
  /** Where the value came from: `shoal.yaml:12`, `SHOAL_ZONE`, `--zone` or `default`. */
  readonly source: string
  readonly reason: string
}

/** The configuration cannot be used; lists every problem found, not only the first. Ends the command with exit code 2. */
export class ConfigError extends ShoalError {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[], cause?: unknown) {
    super(problems.map(describe).join('\n'), { code: 'CONFIG_INVALID', blame: 'caller', retryable: false, cause })
    this.problems = problems
  }
}

/** Limits that cannot be set; one line for each mistake. Nothing was changed. */
export class LimitsError extends ShoalError {
  constructor(problems: readonly string[]) {
    super(problems.join('\n'), { code: 'LIMITS_INVALID', blame: 'caller', retryable: false })
  }
}

function describe(problem: ConfigProblem): string {
  const subject = problem.path === '' ? problem.source : `${problem.path} (${problem.source})`
  return `${subject}: ${problem.reason}`
}
