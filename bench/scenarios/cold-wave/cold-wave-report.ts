import { formatBytes, formatDuration, formatShare } from '../../../src/cli/terminal/index.ts'
import type { Links } from '../../lab/lab.ts'
import { type Chart, median, type Table } from '../../report/index.ts'
import type { Bar, ScenarioReport } from '../../scenario.ts'
import { WARM_UP_BYTES } from '../lab-pulls.ts'
import { type Figures, figureAt, summarize } from '../run-figures.ts'
import type { MeasuredWave } from './cold-wave.ts'
import type { ColdWaveFlags } from './cold-wave-flags.ts'

export interface WavesInit {
  readonly flags: ColdWaveFlags
  readonly links: Links | undefined
  readonly runs: readonly MeasuredWave[]
  readonly baselines: readonly MeasuredWave[]
}

/** Medians, spread, table, chart and bars of what was measured. */
export function reportWaves(init: WavesInit): ScenarioReport {
  const idealSeconds = idealOf(init)
  // Without links there is no ideal to compare with; the best pull without Shoal stands in for it.
  const yardstick = idealSeconds ?? Math.min(...init.baselines.map(({ wave }) => wave.makespanSeconds))
  const runs = init.runs.map((run) => figuresOf(run, yardstick))
  const baselines = init.baselines.map((run) => figuresOf(run, yardstick))
  const { medians, spread } = summarize(runs)
  const baseline = baselines.length === 0 ? undefined : summarize(baselines)
  const failures = [...init.runs, ...init.baselines].flatMap(({ wave }) => wave.failures)
  const results = {
    ...medians,
    ...(idealSeconds === undefined ? {} : { idealSeconds }),
    failedPulls: failures.length,
    ...(baseline === undefined ? {} : { baseline: { ...baseline.medians, spread: baseline.spread } }),
    spread,
    runs,
    failures: [...new Set(failures)],
    refusals: init.runs.map(({ wave }) => wave.reports.map(({ refusals = [] }) => refusals)),
  }
  return {
    params: paramsOf(init),
    results,
    tables: [tableOf(init, runs, baselines)],
    charts: [chartOf(init)],
    bars: barsOf(init, medians, failures.length),
  }
}

/** The time in which the slowest link that every byte must cross carries the image once, payload only. */
function idealOf({ links, runs: [run] }: WavesInit): number | undefined {
  if (links === undefined || run === undefined) return undefined
  return (run.imageBytes * 8) / Math.min(links.nodeBitsPerSecond, links.originBitsPerSecond)
}

function figuresOf(measured: MeasuredWave, yardstick: number): Figures {
  const { wave, imageBytes, originBytes, cpuSeconds, sources, zonePairs } = measured
  const seconds = wave.reports.map(({ startedAtMs, endedAtMs }) => (endedAtMs - startedAtMs) / 1_000)
  return {
    makespanSeconds: wave.makespanSeconds,
    ...(Number.isFinite(yardstick) ? { makespanRatio: wave.makespanSeconds / yardstick } : {}),
    pullSecondsP50: median(seconds),
    pullSecondsMax: Math.max(...seconds),
    originBytes,
    imageBytes,
    originRatio: originBytes / imageBytes,
    directBytes: wave.directBytes,
    resumedBodies: wave.resumedBodies,
    cpuSeconds: { ...cpuSeconds },
    ...(sources === undefined
      ? {}
      : {
          peerShare: peerShareOf(sources, wave.directBytes),
          bytesFromPeers: sources.peers,
          bytesFromTracker: sources.tracker,
        }),
    ...(zonePairs === undefined ? {} : { bytesByZonePair: zonePairs }),
  }
}

function peerShareOf(sources: NonNullable<MeasuredWave['sources']>, directBytes: number): number {
  const shared = sources.peers + sources.tracker
  return shared / (shared + sources.origin + directBytes)
}

function paramsOf({ flags, links, baselines, runs }: WavesInit): ScenarioReport['params'] {
  return {
    nodes: flags.nodes,
    sizeBytes: flags.size,
    layers: flags.layers,
    trackers: flags.tracker ? flags.trackers : 0,
    isShaped: links !== undefined,
    ...links,
    staggerMs: flags.stagger,
    runs: runs.length,
    baselineRuns: baselines.length,
    warmUpBytes: Math.min(flags.size, WARM_UP_BYTES),
    settleSeconds: flags.settle,
    origin: 'embedded registry in a process of its own',
    ...(flags.kill === undefined ? {} : { kill: flags.kill }),
    ...(flags.zones === undefined ? {} : { zones: flags.zones }),
    ...(flags.carrier === undefined ? {} : { carrier: flags.carrier }),
  }
}

function tableOf({ flags, links }: WavesInit, runs: readonly Figures[], baselines: readonly Figures[]): Table {
  const shape = links === undefined ? 'links not shaped' : `${links.nodeBitsPerSecond / 1e6} mbit each`
  const rows = [
    ...runs.map((run, index) => rowOf(`Shoal ${index + 1}`, run)),
    ...baselines.map((run, index) => rowOf(`without ${index + 1}`, run)),
  ]
  return {
    title: `${flags.nodes} nodes pull ${formatBytes(flags.size)} in ${flags.layers} layers, ${shape}`,
    headers: [
      'run',
      'makespan',
      'ratio',
      'median pull',
      'from origin',
      'copies',
      'shared',
      'direct',
      'CPU agents',
      'others',
    ],
    rows,
  }
}

function rowOf(name: string, run: Figures): readonly string[] {
  const ratio = figureAt(run, 'makespanRatio')
  const share = figureAt(run, 'peerShare')
  return [
    name,
    formatDuration(figureAt(run, 'makespanSeconds')),
    Number.isNaN(ratio) ? '-' : ratio.toFixed(3),
    formatDuration(figureAt(run, 'pullSecondsP50')),
    formatBytes(figureAt(run, 'originBytes')),
    figureAt(run, 'originRatio').toFixed(3),
    Number.isNaN(share) ? '-' : formatShare(share, 1),
    formatBytes(figureAt(run, 'directBytes')),
    formatCpu(run, ['agents']),
    formatCpu(run, ['tracker', 'clients', 'origin']),
  ]
}

function formatCpu(run: Figures, roles: readonly string[]): string {
  return `${roles.reduce((sum, role) => sum + figureAt(run, `cpuSeconds.${role}`), 0).toFixed(1)} s`
}

/** How many nodes were done at which time, in the first run with Shoal and the first without. */
function chartOf({ flags, runs: [run], baselines: [baseline] }: WavesInit): Chart {
  const lines = [
    ['with Shoal', run],
    ['without', baseline],
  ] as const
  return {
    title: `Cold wave: ${flags.nodes} nodes, ${formatBytes(flags.size)}`,
    kind: 'lines',
    xLabel: 'seconds since the common start',
    yLabel: 'nodes that have the image',
    series: lines.flatMap(([name, measured]) => (measured === undefined ? [] : [{ name, points: finished(measured) }])),
  }
}

function finished({ wave }: MeasuredWave): Chart['series'][number]['points'] {
  const startedAtMs = Math.min(...wave.reports.map((report) => report.startedAtMs))
  const ends = wave.reports.map(({ endedAtMs }) => (endedAtMs - startedAtMs) / 1_000).toSorted((a, b) => a - b)
  return [
    { x: 0, y: 0 },
    ...ends.flatMap((x, index) => [
      { x, y: index },
      { x, y: index + 1 },
    ]),
  ]
}

/** What the project promises, for waves on links of their own where every image byte crosses a link of the same rate once. */
function barsOf({ flags, links }: WavesInit, medians: Figures, failedPulls: number): readonly Bar[] {
  if (flags.kill === 'tracker') return [{ figure: 'failedPulls', equals: 0, measured: failedPulls }]
  if (links === undefined || flags.kill !== undefined || flags.stagger > 0) return []
  const [makespanRatio, originRatio] = flags.tracker ? [1.15, 1.05] : [1.35, 1.1]
  return [
    { figure: 'makespanRatio', atMost: makespanRatio, measured: figureAt(medians, 'makespanRatio') },
    { figure: 'originRatio', atMost: originRatio, measured: figureAt(medians, 'originRatio') },
  ]
}
