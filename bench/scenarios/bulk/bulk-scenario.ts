import { parseSize } from '../../flag-values.ts'
import type { Chart, Table } from '../../report/index.ts'
import type { Bar, Scenario, ScenarioContext } from '../../scenario.ts'
import { type Figures, figureAt, summarize } from '../run-figures.ts'
import { EndProcess } from './end-process.ts'
import { LANES } from './transport.ts'
import { DEFAULT_CARRIER, VARIANTS, type Variant } from './variants.ts'

/** What a gigabyte may cost over both ends with the carrier that agents use. */
const MAX_CPU_SECONDS_PER_GB = 3

const NAMES = Object.keys(VARIANTS) as Variant[]

/** What chunks cost on the wire, without disk, hashes and clients. */
export const bulkScenario: Scenario = {
  name: 'bulk',
  summary: 'The exchange alone, each carrier, beside raw TCP and plain HTTP',
  flags: [
    {
      flags: '--size <size>',
      description: 'what is sent in each measurement',
      defaultValue: '1GiB',
      parse: parseSize,
    },
  ],
  examples: ['bulk --size 256MiB --runs 5'],

  async run(flags, context) {
    const sizeBytes = flags['size'] as number
    const runs = await measureRuns(sizeBytes, context)
    const { medians, spread } = summarize(runs.map(nested))
    return {
      params: { sizeBytes, runs: context.runs, chunksInFlight: LANES },
      results: { ...medians, defaultCarrier: DEFAULT_CARRIER, spread },
      tables: [tableOf(medians)],
      charts: [chartOf(medians)],
      bars: [barOf(medians)],
    }
  },
}

type RunOfAll = ReadonlyMap<Variant, Figures>

/** A pass that only warms up, then the measured ones; within each pass every variant once. */
async function measureRuns(sizeBytes: number, context: ScenarioContext): Promise<RunOfAll[]> {
  await using owned = new AsyncDisposableStack()
  const pairs = new Map<Variant, Pair>()
  for (const variant of NAMES) pairs.set(variant, await startPair(variant, sizeBytes, context.signal, owned))
  const runs: RunOfAll[] = []
  for (let pass = 0; pass <= context.runs; pass += 1) {
    const run = new Map<Variant, Figures>()
    for (const [variant, pair] of pairs) {
      const step = pass === 0 ? 'warming up' : `run ${pass} of ${context.runs}`
      context.progress(`${step}: ${variant}`, (pass + run.size / NAMES.length) / (context.runs + 1))
      run.set(variant, await measure(pair, sizeBytes))
    }
    if (pass > 0) runs.push(run)
  }
  return runs
}

interface Pair {
  readonly serving: EndProcess
  readonly pulling: EndProcess
}

async function startPair(
  variant: Variant,
  sizeBytes: number,
  signal: AbortSignal,
  owned: AsyncDisposableStack,
): Promise<Pair> {
  const serving = owned.use(await EndProcess.start({ variant, sizeBytes, signal }))
  const pulling = owned.use(await EndProcess.start({ variant, sizeBytes, signal, address: serving.address }))
  return { serving, pulling }
}

async function measure({ serving, pulling }: Pair, sizeBytes: number): Promise<Figures> {
  const cpuSeconds = async () => (await serving.cpuSeconds()) + (await pulling.cpuSeconds())
  const beforeSeconds = await cpuSeconds()
  const seconds = await pulling.pull()
  const usedSeconds = (await cpuSeconds()) - beforeSeconds
  return { MBps: sizeBytes / 1e6 / seconds, cpuSecondsPerGB: (usedSeconds * 1e9) / sizeBytes }
}

/** `carriers.libp2p` becomes `carriers: { libp2p }`. */
function nested(run: RunOfAll): Figures {
  const figures: Record<string, number | Figures> = {}
  for (const [variant, measured] of run) {
    const [group = '', name] = variant.split('.')
    if (name === undefined) figures[group] = measured
    else figures[group] = { ...(figures[group] as Figures | undefined), [name]: measured }
  }
  return figures
}

function tableOf(medians: Figures): Table {
  const cell = (variant: Variant, name: string) => figureAt(medians, `${variant}.${name}`)
  return {
    title: 'Chunks of 1 MiB from one process to another over loopback',
    headers: ['', 'MB/s', 'CPU s/GB', 'of raw TCP'],
    rows: NAMES.map((variant) => [
      variant,
      cell(variant, 'MBps').toFixed(0),
      cell(variant, 'cpuSecondsPerGB').toFixed(2),
      (cell(variant, 'cpuSecondsPerGB') / cell('rawTcp', 'cpuSecondsPerGB')).toFixed(1),
    ]),
  }
}

function chartOf(medians: Figures): Chart {
  const points = NAMES.map((variant) => ({ x: variant, y: figureAt(medians, `${variant}.cpuSecondsPerGB`) }))
  return {
    title: 'What a gigabyte costs on both ends',
    kind: 'bars',
    xLabel: '',
    yLabel: 'CPU seconds per GB',
    series: [{ name: 'CPU seconds per GB', points }],
  }
}

function barOf(medians: Figures): Bar {
  const figure = `carriers.${DEFAULT_CARRIER}.cpuSecondsPerGB`
  return { figure, atMost: MAX_CPU_SECONDS_PER_GB, measured: figureAt(medians, figure) }
}
