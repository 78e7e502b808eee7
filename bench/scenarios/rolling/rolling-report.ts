import { formatBytes, formatDuration } from '../../../src/cli/terminal/index.ts'
import type { Links } from '../../lab/lab.ts'
import { type Chart, median, type Table } from '../../report/index.ts'
import type { ScenarioReport } from '../../scenario.ts'
import { type Figures, figureAt, summarize } from '../run-figures.ts'
import { BATCH_SHARE, type MeasuredRolling } from './rolling.ts'
import type { RollingFlags } from './rolling-flags.ts'

export interface RollingInit {
  readonly flags: RollingFlags
  readonly links: Links | undefined
  readonly runs: readonly MeasuredRolling[]
  readonly baseline: MeasuredRolling | undefined
}

/**
 * Copies of the image that nodes which come later may cost the origin: none, but without a tracker agents compare samples
 * with it.
 */
const MAX_LATER_ORIGIN_RATIO = 0.01

/** Figures, table, chart and the bar of what was measured. */
export function reportRolling({ flags, links, runs: measured, baseline }: RollingInit): ScenarioReport {
  const runs = measured.map(figuresOf)
  const { medians, spread } = summarize(runs)
  const without = baseline === undefined ? undefined : figuresOf(baseline)
  const failures = [...measured, ...(baseline === undefined ? [] : [baseline])].flatMap((run) => run.failures)
  const { baseline: _baseline, ...params } = flags
  return {
    params: { ...params, ...links, isShaped: links !== undefined, batchShare: BATCH_SHARE, runs: runs.length },
    results: {
      ...medians,
      failedPulls: failures.length,
      ...(without === undefined ? {} : { baseline: without }),
      spread,
      runs,
      failures: [...new Set(failures)],
      refusals: measured.map(({ reports }) => reports.map(({ refusals = [] }) => refusals)),
    },
    tables: [tableOf(flags, links, runs, without)],
    charts: [chartOf(flags, runs, without)],
    bars: [
      { figure: 'originRatio', atMost: MAX_LATER_ORIGIN_RATIO, measured: figureAt(medians, 'originRatio') },
      { figure: 'failedPulls', equals: 0, measured: failures.length },
    ],
  }
}

function figuresOf({ firstBatchSeconds, reports, originBytes, imageBytes }: MeasuredRolling): Figures {
  const seconds = reports.map(({ startedAtMs, endedAtMs }) => (endedAtMs - startedAtMs) / 1_000)
  return {
    firstBatchSeconds,
    secondsP50: median(seconds),
    secondsMax: Math.max(...seconds),
    originBytes,
    imageBytes,
    originRatio: originBytes / imageBytes,
    directBytes: reports.reduce((total, { directBytes = 0 }) => total + directBytes, 0),
  }
}

function tableOf(
  flags: RollingFlags,
  links: Links | undefined,
  runs: readonly Figures[],
  without: Figures | undefined,
): Table {
  const shape = links === undefined ? 'links not shaped' : `${links.nodeBitsPerSecond / 1e6} mbit each`
  return {
    title: `${flags.nodes} nodes, a fifth at a time, ${formatBytes(flags.size)}, ${shape}`,
    headers: ['run', 'first fifth', 'median pull', 'slowest pull', 'from origin after the first fifth'],
    rows: [
      ...runs.map((run, index) => rowOf(`Shoal ${index + 1}`, run)),
      ...(without === undefined ? [] : [rowOf('without', without)]),
    ],
  }
}

function rowOf(name: string, run: Figures): readonly string[] {
  return [
    name,
    formatDuration(figureAt(run, 'firstBatchSeconds')),
    formatDuration(figureAt(run, 'secondsP50')),
    formatDuration(figureAt(run, 'secondsMax')),
    formatBytes(figureAt(run, 'originBytes')),
  ]
}

function chartOf({ nodes, size }: RollingFlags, runs: readonly Figures[], without: Figures | undefined): Chart {
  const bars = [
    ...runs.map((run, index) => [String(index + 1), run] as const),
    ...(without === undefined ? [] : [['without Shoal', without] as const]),
  ]
  return {
    title: `Rolling update: ${nodes} nodes, ${formatBytes(size)}`,
    kind: 'bars',
    xLabel: 'run',
    yLabel: 'seconds',
    series: ['firstBatchSeconds', 'secondsP50', 'secondsMax'].map((name) => ({
      name,
      points: bars.map(([x, run]) => ({ x, y: figureAt(run, name) })),
    })),
  }
}
