import { formatBytes, formatDuration } from '../../../src/cli/terminal/index.ts'
import type { PullReport } from '../../lab/client-main.ts'
import type { Links } from '../../lab/lab.ts'
import { type Chart, median, type Table } from '../../report/index.ts'
import type { ScenarioReport } from '../../scenario.ts'
import { type Figures, figureAt, summarize } from '../run-figures.ts'
import type { ChurnFlags } from './churn-flags.ts'
import type { MeasuredRollOut } from './churn.ts'

export interface ChurnInit {
  readonly flags: ChurnFlags
  readonly links: Links | undefined
  readonly runs: readonly MeasuredRollOut[]
  readonly baseline: MeasuredRollOut | undefined
}

/** Figures, table, chart and the bar of what was measured. */
export function reportChurn({ flags, links, runs: measured, baseline }: ChurnInit): ScenarioReport {
  const runs = measured.map(figuresOf)
  const { medians, spread } = summarize(runs)
  const failures = sum(runs, 'failures')
  const without = baseline === undefined ? undefined : figuresOf(baseline)
  const { baseline: _baseline, ...params } = flags
  return {
    params: { ...params, ...links, isShaped: links !== undefined, runs: runs.length },
    results: {
      ...medians,
      failures,
      failedPulls: sum(runs, 'failedPulls') + (without === undefined ? 0 : figureAt(without, 'failedPulls')),
      ...(without === undefined ? {} : { baseline: without }),
      spread,
      runs,
      reasons: reasonsOf(baseline === undefined ? measured : [...measured, baseline]),
      refusals: measured.map(({ served }) => served.map(({ refusals = [] }) => refusals)),
    },
    tables: [tableOf(flags, links, runs, without)],
    charts: [chartOf(flags, runs, without)],
    bars: [{ figure: 'failures', equals: 0, measured: failures }],
  }
}

function figuresOf(run: MeasuredRollOut): Figures {
  const { served, bereft, joined, imageBytes, originBytes, makespanSeconds } = run
  const pulls = [...served, ...bereft]
  return {
    failures: served.filter(hasFailed).length,
    failedPulls: pulls.filter(hasFailed).length,
    killed: bereft.length,
    joined: joined.length,
    makespanSeconds,
    secondsP50: median(served.map(secondsOf)),
    secondsMax: Math.max(...served.map(secondsOf)),
    ...(joined.length === 0 ? {} : { joinedSecondsP50: median(joined.map(secondsOf)) }),
    ...(bereft.length === 0 ? {} : { killedSecondsMax: Math.max(...bereft.map(secondsOf)) }),
    originBytes,
    imageBytes,
    originRatio: originBytes / imageBytes,
    directBytes: served.reduce((total, { directBytes = 0 }) => total + directBytes, 0),
    killedDirectBytes: bereft.reduce((total, { directBytes = 0 }) => total + directBytes, 0),
  }
}

function hasFailed({ failure }: PullReport): boolean {
  return failure !== undefined
}

function secondsOf({ startedAtMs, endedAtMs }: PullReport): number {
  return (endedAtMs - startedAtMs) / 1_000
}

function sum(runs: readonly Figures[], name: string): number {
  return runs.reduce((total, run) => total + figureAt(run, name), 0)
}

function reasonsOf(measured: readonly MeasuredRollOut[]): readonly string[] {
  const pulls = measured.flatMap(({ served, bereft }) => [...served, ...bereft])
  return [...new Set(pulls.flatMap(({ failure }) => failure ?? []))]
}

function tableOf(
  flags: ChurnFlags,
  links: Links | undefined,
  runs: readonly Figures[],
  without: Figures | undefined,
): Table {
  const shape = links === undefined ? 'links not shaped' : `${links.nodeBitsPerSecond / 1e6} mbit each`
  return {
    title: `${flags.nodes} nodes pull ${formatBytes(flags.size)}, ${flags.kills} are killed and ${flags.joins} join, ${shape}`,
    headers: [
      'run',
      'failures',
      'median pull',
      'slowest pull',
      'until all have it',
      'from origin',
      'of it for the killed',
      'copies',
    ],
    rows: [
      ...runs.map((run, index) => rowOf(`Shoal ${index + 1}`, run)),
      ...(without === undefined ? [] : [rowOf('without', without)]),
    ],
  }
}

function rowOf(name: string, run: Figures): readonly string[] {
  const seconds = (figure: string): string => formatDuration(figureAt(run, figure))
  return [
    name,
    String(figureAt(run, 'failures')),
    seconds('secondsP50'),
    seconds('secondsMax'),
    seconds('makespanSeconds'),
    formatBytes(figureAt(run, 'originBytes')),
    formatBytes(figureAt(run, 'killedDirectBytes')),
    figureAt(run, 'originRatio').toFixed(2),
  ]
}

function chartOf({ nodes, kills, joins }: ChurnFlags, runs: readonly Figures[], without: Figures | undefined): Chart {
  const bars = [
    ...runs.map((run, index) => [String(index + 1), run] as const),
    ...(without === undefined ? [] : [['without Shoal', without] as const]),
  ]
  return {
    title: `Churn: ${nodes} nodes, ${kills} killed, ${joins} joined`,
    kind: 'bars',
    xLabel: 'run',
    yLabel: 'seconds',
    series: ['secondsP50', 'secondsMax'].map((name) => ({
      name,
      points: bars.map(([x, run]) => ({ x, y: figureAt(run, name) })),
    })),
  }
}
