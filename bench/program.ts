import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { Terminal } from '../src/cli/terminal/index.ts'
import { EXIT } from './exit-code.ts'
import { countOf } from './flag-values.ts'
import { interruption } from './interruption.ts'
import { type RunOptions, runScenario } from './runner.ts'
import type { Scenario, ScenarioFlag } from './scenario.ts'
import { UsageError } from './usage-error.ts'

export interface BenchComponents {
  readonly scenarios: readonly Scenario[]
  readonly terminal: Terminal
}

/** Medians of fewer runs than this say little; more take long. */
const DEFAULT_RUNS = 3

/** Runs the scenario that `args` (without `node` and the script) spell; gives the exit code. Never throws. */
export async function runBench(args: readonly string[], { scenarios, terminal }: BenchComponents): Promise<number> {
  using interrupted = interruption()
  let exitCode: number = EXIT.ok
  const start = async (scenario: Scenario, flags: Readonly<Record<string, unknown>>): Promise<void> => {
    exitCode = await runScenario(scenario, withoutOptions(flags), {
      ...(flags as unknown as RunOptions),
      signal: interrupted.signal,
      terminal,
    })
  }
  try {
    await createProgram(scenarios, terminal, start).parseAsync(args, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    if (interrupted.signal.aborted) {
      terminal.err('interrupted; what it started is gone\n')
      return EXIT.interrupted
    }
    terminal.err(`${error instanceof Error ? error.message : String(error)}\n`)
    return error instanceof UsageError ? EXIT.usage : EXIT.failure
  }
}

type Start = (scenario: Scenario, flags: Readonly<Record<string, unknown>>) => Promise<void>

function createProgram(scenarios: readonly Scenario[], terminal: Terminal, start: Start): Command {
  const program = new Command('bench').description(
    'Measures Shoal with real agents and trackers, each scenario against its own baseline. As root it shapes links between them.',
  )
  program.usage('SCENARIO [--flags]').addHelpText(
    'after',
    `
Each scenario explains itself:  npm run bench -- ${scenarios[0]?.name ?? 'SCENARIO'} --help

Exit codes: 0 done, 1 failed pulls or wrong digests, 2 wrong usage, 3 a bar was missed (with --strict), 130 interrupted.`,
  )
  for (const scenario of scenarios) program.addCommand(scenarioCommand(scenario, start))
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .helpCommand(false)
      .configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
      .showHelpAfterError(`(see: npm run bench -- ${command === program ? '' : `${command.name()} `}--help)`)
  }
  return program
}

function scenarioCommand(scenario: Scenario, start: Start): Command {
  const command = new Command(scenario.name).summary(scenario.summary).description(scenario.summary)
  for (const flag of scenario.flags) command.addOption(optionOf(flag))
  command
    .addOption(
      optionOf({
        flags: '--runs <count>',
        description: 'measured repetitions',
        defaultValue: DEFAULT_RUNS,
        parse: countOf(1, 100),
      }),
    )
    .option('--json <file>', 'write parameters, machine and results there (and a chart beside it)')
    .option('--svg <file>', 'write the chart there')
    .option('--strict', 'end with exit code 3 when a bar is missed', false)
    .action(async (flags: Readonly<Record<string, unknown>>) => await start(scenario, flags))
  const examples = scenario.examples ?? []
  if (examples.length > 0)
    command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  npm run bench -- ${line}`).join('\n')}`)
  return command
}

function optionOf({ flags, description, defaultValue, parse }: ScenarioFlag): Option {
  const option = new Option(flags, description)
  if (parse !== undefined) option.argParser((text) => parseOrRefuse(parse, text))
  if (defaultValue === undefined) return option
  const value = typeof defaultValue === 'string' && parse !== undefined ? parse(defaultValue) : defaultValue
  return option.default(value, String(defaultValue))
}

function parseOrRefuse(parse: (text: string) => unknown, text: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
  }
}

/** The scenario's own flags. */
function withoutOptions(flags: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { runs: _runs, json: _json, svg: _svg, strict: _strict, ...own } = flags
  return own
}
