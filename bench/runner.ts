import { writeFile } from 'node:fs/promises'
import type { Terminal } from '../src/cli/terminal/index.ts'
import { EXIT } from './exit-code.ts'
import { ProgressLine } from './progress-line.ts'
import { barLine, describeMachine, isKept, renderCharts, renderTable } from './report/index.ts'
import type { Scenario, ScenarioReport } from './scenario.ts'

/** What every scenario takes besides its own flags. */
export interface RunOptions {
  readonly runs: number
  readonly json?: string
  readonly svg?: string
  readonly strict: boolean
}

export interface RunComponents {
  readonly terminal: Terminal
  readonly signal: AbortSignal
}

/** Runs one scenario, prints what it found and writes the files asked for; gives the exit code. */
export async function runScenario(
  scenario: Scenario,
  flags: Readonly<Record<string, unknown>>,
  { terminal, signal, runs, json, svg = json && chartBeside(json), strict }: RunOptions & RunComponents,
): Promise<number> {
  const line = new ProgressLine(terminal)
  const progress = (text: string, doneShare?: number) => line.set(text, doneShare)
  const report = await scenario.run(flags, { signal, runs, progress }).finally(() => line.stop())
  signal.throwIfAborted()
  terminal.out(`\n${report.tables.map(renderTable).join('\n')}`)
  if (report.bars.length > 0) terminal.out(`\n${report.bars.map((bar) => `${barLine(bar)}\n`).join('')}`)
  if (json !== undefined) await writeFile(json, toJson(scenario.name, report))
  if (svg !== undefined && report.charts.length > 0) await writeFile(svg, renderCharts(report.charts))
  return exitCodeOf(report, strict)
}

function chartBeside(jsonFile: string): string {
  return `${jsonFile.replace(/\.json$/, '')}.svg`
}

function toJson(scenario: string, { params, results, bars }: ScenarioReport): string {
  const judged = bars.map((bar) => ({ ...bar, isKept: isKept(bar) }))
  return `${JSON.stringify({ scenario, params, machine: describeMachine(), results, bars: judged }, undefined, 2)}\n`
}

function exitCodeOf({ results, bars }: ScenarioReport, strict: boolean): number {
  if (results['failedPulls'] !== undefined && results['failedPulls'] !== 0) return EXIT.failure
  return strict && !bars.every(isKept) ? EXIT.barMissed : EXIT.ok
}
