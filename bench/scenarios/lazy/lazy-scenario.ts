import type { AbortOptions } from '../../../src/core/index.ts'
import { countOf, parseSize } from '../../flag-values.ts'
import { type Chart, percentile, type Table } from '../../report/index.ts'
import type { Bar, Scenario, ScenarioContext } from '../../scenario.ts'
import { PairLab } from '../pair/pair-lab.ts'
import { type Figures, figureAt, summarize } from '../run-figures.ts'
import { type LazyKillRun, measureKill } from './lazy-kill.ts'
import { reportKill } from './lazy-kill-report.ts'
import { type LayerTimes, readLazily } from './lazy-layer.ts'
import { rangesPerLayer } from './range-choice.ts'

/** What half of the ranges may take from a peer. */
const MAX_PEER_P50_MS = 5

/** What half of the ranges may take from the agent's own store. */
const MAX_LOCAL_P50_MS = 1

/** What lazy snapshotters ask for on demand: one file, or a few multiples of their 50,000 bytes. */
const MIN_RANGE_BYTES = 50_000
const MAX_RANGE_BYTES = 100_000

const SOURCES = ['peer', 'local', 'direct'] as const

/** Small reads all over a layer, as a lazily started container makes them. */
export const lazyScenario: Scenario = {
  name: 'lazy',
  summary: 'Ranges of 50 to 100 kB of a layer: from a peer, from the local store, from the registry',
  flags: [
    { flags: '--size <size>', description: 'size of a layer', defaultValue: '200MB', parse: parseSize },
    {
      flags: '--ranges <count>',
      description: 'ranges read from each source in a run, over as many layers as that takes',
      defaultValue: 200,
      parse: countOf(1, 10_000),
    },
    { flags: '--kill', description: 'read from a peer alone, and kill it half way', defaultValue: false },
  ],
  examples: ['lazy --ranges 50 --runs 1', 'lazy --kill'],

  async run(flags, context) {
    const params = { sizeBytes: flags['size'] as number, ranges: flags['ranges'] as number }
    const shown = { ...params, runs: context.runs, rangeBytes: [MIN_RANGE_BYTES, MAX_RANGE_BYTES] }
    if (flags['kill'] === true) return reportKill({ ...shown, kill: true }, await measureKills(params, context))
    const { medians, spread } = summarize(await measureRuns(params, context))
    return {
      params: shown,
      results: { ...medians, spread },
      tables: [tableOf(medians)],
      charts: [chartOf(medians)],
      bars: barsOf(medians),
    }
  },
}

interface LazyParams {
  readonly sizeBytes: number
  readonly ranges: number
}

/** As a lazy snapshotter calls itself, which decides how a mirror treats it. */
const USER_AGENT = 'Go-http-client/1.1'

const CHOICE = { minBytes: MIN_RANGE_BYTES, maxBytes: MAX_RANGE_BYTES, random: Math.random }

async function measureKills(params: LazyParams, context: ScenarioContext): Promise<LazyKillRun[]> {
  const runs: LazyKillRun[] = []
  for (let run = 1; run <= context.runs; run += 1) {
    context.progress(`run ${run} of ${context.runs}`, (run - 1) / context.runs)
    runs.push(await measureKill({ ...params, userAgent: USER_AGENT, choice: CHOICE }, context))
  }
  return runs
}

async function measureRuns({ sizeBytes, ranges }: LazyParams, context: ScenarioContext): Promise<Figures[]> {
  context.progress('starting a registry, a tracker and two agents')
  await using lab = await PairLab.start({ hasTracker: true, userAgent: USER_AGENT })
  const perLayer = rangesPerLayer(sizeBytes)
  // One layer is enough to warm up.
  await measureRun(lab, sizeBytes, Math.min(ranges, perLayer), context)
  const runs: Figures[] = []
  for (let run = 1; run <= context.runs; run += 1) {
    context.progress(`run ${run} of ${context.runs}`, run / (context.runs + 1))
    runs.push(await measureRun(lab, sizeBytes, ranges, context))
  }
  return runs
}

/** An image of its own, so that the reading agent holds nothing of it. */
async function measureRun(lab: PairLab, sizeBytes: number, ranges: number, options: AbortOptions): Promise<Figures> {
  const layerCount = Math.ceil(ranges / rangesPerLayer(sizeBytes))
  const image = await lab.push(Array<number>(layerCount).fill(sizeBytes), options)
  await lab.seed(image, options)
  await using mirror = lab.clientOf(lab.pulling, image)
  await using direct = lab.directClient(image)
  // A runtime has the manifest by the time its snapshotter mounts the layers.
  await mirror.manifest(image.tag, options)
  const before = (await lab.pulling.status()).bytesBySource
  lab.origin.counts.reset()
  const layers: LayerTimes[] = []
  for (const [index, layer] of image.layers.entries()) {
    const count = Math.ceil((ranges - index) / layerCount)
    layers.push(await readLazily(layer, { mirror, direct }, CHOICE, count, options))
  }
  const after = (await lab.pulling.status()).bytesBySource
  const fromPeers = after.peers - before.peers
  const fromTracker = after.tracker - before.tracker
  expectFetched(layers, fromPeers + fromTracker)
  return {
    peer: {
      ...figuresOf(layers.flatMap(({ peerMs }) => peerMs)),
      probeMs: Math.max(...layers.map(({ probeMs }) => probeMs)),
      bytesFromPeers: fromPeers,
      bytesFromTracker: fromTracker,
    },
    local: figuresOf(layers.flatMap(({ localMs }) => localMs)),
    direct: figuresOf(layers.flatMap(({ directMs }) => directMs)),
    originRequests: lab.origin.counts.requests.filter(({ path }) => path.includes('/blobs/')).length,
  }
}

/** Each chunk that a peer's range lies in must have come from another process, or local reads were measured as a peer's. */
function expectFetched(layers: readonly LayerTimes[], fetchedBytes: number): void {
  const wantedBytes = layers.reduce((sum, { chunkBytes }) => sum + chunkBytes, 0)
  if (fetchedBytes < wantedBytes)
    throw new Error(`only ${fetchedBytes} of ${wantedBytes} bytes came from peers: something was there already`)
}

function figuresOf(tookMs: readonly number[]) {
  return { p50Ms: percentile(tookMs, 0.5), p99Ms: percentile(tookMs, 0.99), count: tookMs.length }
}

function tableOf(medians: Figures): Table {
  const at = (path: string) => figureAt(medians, path).toFixed(2)
  return {
    title: 'Ranges of 50 to 100 kB at random places',
    headers: ['from', 'p50 ms', 'p99 ms'],
    rows: SOURCES.map((source) => [source, at(`${source}.p50Ms`), at(`${source}.p99Ms`)]),
  }
}

function chartOf(medians: Figures): Chart {
  const points = (name: string) => SOURCES.map((source) => ({ x: source, y: figureAt(medians, `${source}.${name}`) }))
  return {
    title: 'How long a small range takes',
    kind: 'bars',
    xLabel: '',
    yLabel: 'milliseconds',
    series: [
      { name: 'p50', points: points('p50Ms') },
      { name: 'p99', points: points('p99Ms') },
    ],
  }
}

function barsOf(medians: Figures): Bar[] {
  const measured = (figure: string) => ({ figure, measured: figureAt(medians, figure) })
  return [
    { ...measured('peer.p50Ms'), atMost: MAX_PEER_P50_MS },
    { ...measured('local.p50Ms'), atMost: MAX_LOCAL_P50_MS },
    { ...measured('originRequests'), equals: 0 },
  ]
}
