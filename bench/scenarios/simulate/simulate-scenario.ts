import { countOf, numberOf, parseRate, parseSize } from '../../flag-values.ts'
import type { Chart, Table } from '../../report/index.ts'
import type { Bar, Scenario, ScenarioContext } from '../../scenario.ts'
import { type Figures, figureAt, summarize } from '../run-figures.ts'
import type { WaveParams } from './wave.ts'
import { waveInThread } from './wave-thread.ts'

/** How much longer than the best possible the last of all nodes may take. */
const MAX_MAKESPAN_RATIO = 1.3

/** Copies of the layer that may leave the registry for the whole cluster. */
const MAX_ORIGIN_RATIO = 1.05

/** Bits in a byte: rates are typed in bits, as links are sold. */
const BITS = 8

/** All nodes of a cluster pull one layer in the same second, in one process and under virtual time. */
export const simulateScenario: Scenario = {
  name: 'simulate',
  summary: 'A cold wave over thousands of simulated nodes that run the real scheduler',
  flags: [
    { flags: '--nodes <count>', description: 'nodes that pull', defaultValue: '1000', parse: countOf(1, 20_000) },
    { flags: '--size <size>', description: 'size of the layer', defaultValue: '256MiB', parse: parseSize },
    { flags: '--rate <rate>', description: 'link of each node, each way', defaultValue: '100mbit', parse: parseRate },
    { flags: '--origin-rate <rate>', description: 'link of the registry', defaultValue: '100mbit', parse: parseRate },
    { flags: '--tracker-rate <rate>', description: 'link of a tracker; as a node if not said', parse: parseRate },
    { flags: '--latency <ms>', description: 'one way, in milliseconds', defaultValue: '1', parse: numberOf(0, 1000) },
    { flags: '--trackers <count>', description: 'trackers', defaultValue: '1', parse: countOf(1, 20) },
    { flags: '--no-tracker', description: 'agents alone' },
    { flags: '--seed <number>', description: 'seed of all chance', defaultValue: '1', parse: countOf(0, 2 ** 31) },
  ],
  examples: ['simulate --nodes 1000', 'simulate --nodes 200 --no-tracker'],

  async run(flags, context) {
    const params = paramsOf(flags)
    const { medians, spread } = summarize(await runsOf(params, context))
    return {
      params: { ...params, runs: context.runs },
      results: { ...medians, spread },
      tables: [tableOf(medians)],
      charts: [chartOf(medians)],
      bars: barsOf(medians),
    }
  },
}

function paramsOf(flags: Readonly<Record<string, unknown>>): WaveParams {
  const nodeBytesPerSecond = (flags['rate'] as number) / BITS
  const trackerRate = flags['trackerRate'] as number | undefined
  return {
    nodes: flags['nodes'] as number,
    sizeBytes: flags['size'] as number,
    nodeBytesPerSecond,
    originBytesPerSecond: (flags['originRate'] as number) / BITS,
    trackerBytesPerSecond: trackerRate === undefined ? nodeBytesPerSecond : trackerRate / BITS,
    latencyMs: flags['latency'] as number,
    trackers: flags['tracker'] === false ? 0 : (flags['trackers'] as number),
    seed: flags['seed'] as number,
  }
}

/** Each run has the next seed: the same one would give the same figures. */
async function runsOf(params: WaveParams, context: ScenarioContext): Promise<Figures[]> {
  const runs: Figures[] = []
  for (let run = 0; run < context.runs; run++) {
    const onProgress = (share: number) =>
      context.progress(`run ${run + 1} of ${context.runs}`, (run + share) / context.runs)
    runs.push({ ...(await waveInThread({ ...params, seed: params.seed + run }, onProgress, context)) })
  }
  return runs
}

function tableOf(medians: Figures): Table {
  const at = (name: string, digits: number) => figureAt(medians, name).toFixed(digits)
  return {
    title: 'A cold wave in simulation; times as multiples of the best possible',
    headers: ['last node', 'half of the nodes', '99 of 100', 'copies from the origin', 'messages a node', 'CPU s'],
    rows: [
      [
        at('makespanRatio', 3),
        at('p50Ratio', 3),
        at('p99Ratio', 3),
        at('originRatio', 3),
        at('messagesPerNode', 0),
        at('cpuSeconds', 1),
      ],
    ],
  }
}

function chartOf(medians: Figures): Chart {
  const points = [
    { x: 'ideal', y: figureAt(medians, 'idealSeconds') },
    { x: 'p50', y: figureAt(medians, 'p50') },
    { x: 'p99', y: figureAt(medians, 'p99') },
    { x: 'last', y: figureAt(medians, 'makespanSeconds') },
  ]
  return {
    title: 'When the nodes of a simulated wave have the layer',
    kind: 'bars',
    xLabel: '',
    yLabel: 'seconds',
    series: [{ name: 'seconds', points }],
  }
}

function barsOf(medians: Figures): Bar[] {
  const measured = (figure: string) => ({ figure, measured: figureAt(medians, figure) })
  return [
    { ...measured('makespanRatio'), atMost: MAX_MAKESPAN_RATIO },
    { ...measured('originRatio'), atMost: MAX_ORIGIN_RATIO },
  ]
}
