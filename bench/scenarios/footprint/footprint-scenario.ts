import { countOf, parseSize } from '../../flag-values.ts'
import { Lab } from '../../lab/lab.ts'
import type { Chart, Table } from '../../report/index.ts'
import type { Bar, Scenario, ScenarioContext } from '../../scenario.ts'
import { type Figures, figureAt, summarize } from '../run-figures.ts'
import { type FootprintParams, type FootprintRun, measureFootprint } from './footprint-run.ts'

/** What an agent may take of its node while nothing is pulled. */
const MAX_IDLE_MIB = 128

/** What it may take while images come in one after the other. */
const MAX_PEAK_MIB = 320

const MIB = 1024 ** 2

/** What an agent costs its node: memory and CPU while idle, its start, memory over many pulls. */
export const footprintScenario: Scenario = {
  name: 'footprint',
  summary: 'Memory, idle CPU and start of an agent, and its memory over many pulls into a store smaller than their sum',
  flags: [
    // With fewer there is no saying whether memory grows.
    { flags: '--pulls <count>', description: 'different images', defaultValue: '120', parse: countOf(60, 10_000) },
    { flags: '--size <size>', description: 'size of each image', defaultValue: '16MiB', parse: parseSize },
    { flags: '--quota <size>', description: 'what a store may hold', defaultValue: '160MiB', parse: parseSize },
  ],
  examples: ['footprint --runs 1', 'footprint --runs 1 --pulls 400 --size 256MiB --quota 2GiB'],

  async run(flags, context) {
    const [pulls, imageBytes, quotaBytes] = [flags['pulls'], flags['size'], flags['quota']] as [number, number, number]
    const runs = await measureRuns({ pulls, imageBytes, quotaBytes }, context)
    const { medians, spread } = summarize(runs.map(({ figures }) => figures))
    const failedPulls = runs.reduce((sum, { figures }) => sum + (figures['failedPulls'] ?? 0), 0)
    const quotaMiB = quotaBytes / MIB
    return {
      params: { pulls, imageBytes, quotaBytes, runs: context.runs },
      results: { ...medians, pulls, quotaMiB, failedPulls, spread },
      tables: [tableOf(medians, quotaMiB)],
      charts: [chartOf(runs)],
      bars: barsOf(medians, quotaMiB),
    }
  },
}

/** The first cluster only fills the cache of compiled code, which a node has from the second start on. */
async function measureRuns(params: FootprintParams, context: ScenarioContext): Promise<FootprintRun[]> {
  context.progress('starting an origin, a tracker and two agents')
  await using lab = await Lab.start({ nodes: 2, trackers: 1 }, context)
  await (await lab.startFleet({ settings: {} }, context))[Symbol.asyncDispose]()
  const runs: FootprintRun[] = []
  for (let run = 1; run <= context.runs; run++) {
    context.progress(`run ${run} of ${context.runs}: idle`)
    runs.push(await measureFootprint(lab, params, context))
  }
  return runs
}

function tableOf(medians: Figures, quotaMiB: number): Table {
  const row = (name: string, figure: string, digits: number) => [name, figureAt(medians, figure).toFixed(digits)]
  return {
    title: 'What an agent takes (the worse one of two)',
    headers: ['', 'measured'],
    rows: [
      row('start, seconds', 'startSeconds', 2),
      row('start, CPU seconds', 'startCpuSeconds', 2),
      row('idle RSS, MiB', 'idleRssMiB', 1),
      row('idle RSS of a tracker, MiB', 'trackerIdleRssMiB', 1),
      row('idle CPU, seconds a minute', 'idleCpuSecondsPerMinute', 2),
      row('peak RSS, MiB', 'peakRssMiB', 1),
      row('RSS slope, MiB a pull', 'slopeMiBPerPull', 2),
      row('  from (95 %)', 'slopeLowMiBPerPull', 2),
      row('  to', 'slopeHighMiBPerPull', 2),
      row(`store, MiB (quota ${Math.round(quotaMiB)})`, 'storeMiB', 1),
    ],
  }
}

function chartOf(runs: readonly FootprintRun[]): Chart {
  const series = (runs.at(-1)?.rssMiB ?? []).map(({ name, values }) => ({
    name,
    points: values.map((y, index) => ({ x: index + 1, y })),
  }))
  return { title: 'Memory over many pulls', kind: 'lines', xLabel: 'pulls', yLabel: 'RSS in MiB', series }
}

/** A slope is zero within its noise when the interval reaches down to zero; memory that is given back is no harm. */
function barsOf(medians: Figures, quotaMiB: number): Bar[] {
  const atMost = (figure: string, bound: number) => ({ figure, measured: figureAt(medians, figure), atMost: bound })
  return [
    atMost('idleRssMiB', MAX_IDLE_MIB),
    atMost('trackerIdleRssMiB', MAX_IDLE_MIB),
    atMost('peakRssMiB', MAX_PEAK_MIB),
    atMost('slopeLowMiBPerPull', 0),
    atMost('storeMiB', quotaMiB),
  ]
}
