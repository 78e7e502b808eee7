import type { AbortOptions } from '../../../src/core/index.ts'
import { parseSize } from '../../flag-values.ts'
import type { Chart, Table } from '../../report/index.ts'
import type { Bar, Scenario, ScenarioContext } from '../../scenario.ts'
import { PairLab } from '../pair/pair-lab.ts'
import type { PushedImage } from '../pair/pushed-image.ts'
import { cpuSecondsOf } from '../pair/process-cpu.ts'
import type { RegistryClient } from '../pair/registry-client.ts'
import { type Figures, figureAt, summarize } from '../run-figures.ts'

/** What a gigabyte may cost from one agent's disk to the client of another, all Shoal processes together. */
const MAX_CPU_SECONDS_PER_GB = 6

/** How much longer than straight from a registry on the same machine. */
const MAX_RATIO = 1.5

/** One agent has the image, another one's client pulls it. */
export const warmScenario: Scenario = {
  name: 'warm',
  summary: 'A pull from an agent whose peer has the image, beside the same pull from the registry',
  flags: [
    { flags: '--size <size>', description: 'size of the one layer', defaultValue: '256MiB', parse: parseSize },
    { flags: '--no-tracker', description: 'two agents alone' },
  ],
  examples: ['warm --size 1GiB', 'warm --no-tracker --runs 5'],

  async run(flags, context) {
    const params = { sizeBytes: flags['size'] as number, hasTracker: flags['tracker'] !== false, runs: context.runs }
    const { medians, spread } = summarize(await measureRuns(params, context))
    return {
      params,
      results: { ...medians, spread },
      tables: [tableOf(medians)],
      charts: [chartOf(medians)],
      bars: barsOf(medians, params.hasTracker),
    }
  },
}

interface WarmParams {
  readonly sizeBytes: number
  readonly hasTracker: boolean
}

async function measureRuns({ sizeBytes, hasTracker }: WarmParams, context: ScenarioContext): Promise<Figures[]> {
  context.progress('starting a registry and two agents')
  await using lab = await PairLab.start({ hasTracker, userAgent: 'containerd/2.1.0' })
  const runs: Figures[] = []
  for (let pass = 0; pass <= context.runs; pass += 1) {
    context.progress(pass === 0 ? 'warming up' : `run ${pass} of ${context.runs}`, pass / (context.runs + 1))
    const figures = await measureRun(lab, sizeBytes, pass % 2 === 0, context)
    if (pass > 0) runs.push(figures)
  }
  return runs
}

/** One image: through the agents and straight from the registry, in an order that changes from run to run. */
async function measureRun(lab: PairLab, sizeBytes: number, isDirectFirst: boolean, options: AbortOptions) {
  const image = await lab.push([sizeBytes], options)
  await lab.seed(image, options)
  const early = isDirectFirst ? await pullDirect(lab, image, options) : undefined
  const pulled = await pullThroughAgents(lab, image, options)
  const direct = early ?? (await pullDirect(lab, image, options))
  return { ...pulled, directSeconds: direct.seconds, ratio: pulled.seconds / direct.seconds }
}

async function pullDirect(lab: PairLab, image: PushedImage, options: AbortOptions) {
  await using client = lab.directClient(image)
  return await pull(client, image, options)
}

/** The pull, and what all Shoal processes used from its start until the pulling agent had hashed and kept the layer. */
async function pullThroughAgents(lab: PairLab, image: PushedImage, options: AbortOptions) {
  await using client = lab.clientOf(lab.pulling, image)
  lab.origin.counts.reset()
  const sourcesBefore = (await lab.pulling.status()).bytesBySource
  const before = await cpuOf(lab)
  const { seconds, firstByteMs, bytes } = await pull(client, image, options)
  await lab.completed(lab.pulling, image, options)
  const after = await cpuOf(lab)
  const sources = (await lab.pulling.status()).bytesBySource
  const perGB = (role: keyof typeof after) => ((after[role] - before[role]) * 1e9) / bytes
  const cpu = { serving: perGB('serving'), pulling: perGB('pulling'), tracker: perGB('tracker') }
  return {
    seconds,
    firstByteMs,
    cpuSecondsPerGB: cpu.serving + cpu.pulling + cpu.tracker,
    cpu,
    bytesFromPeers: sources.peers - sourcesBefore.peers,
    bytesFromTracker: sources.tracker - sourcesBefore.tracker,
    originBlobBytes: lab.origin.counts.blobBytes,
  }
}

/** Tag, manifest, config and the layer. */
async function pull(client: RegistryClient, image: PushedImage, options: AbortOptions) {
  const startMs = performance.now()
  const { config, layers } = await client.manifest(image.tag, options)
  await client.blob(config.digest, options)
  let firstByteMs = Number.NaN
  for (const { digest } of layers) firstByteMs = (await client.blob(digest, options)).firstByteMs
  return { seconds: (performance.now() - startMs) / 1000, firstByteMs, bytes: config.size + sizeOf(layers) }
}

function sizeOf(blobs: readonly { readonly size: number }[]): number {
  return blobs.reduce((sum, { size }) => sum + size, 0)
}

async function cpuOf(lab: PairLab) {
  const [serving, pulling, tracker] = await Promise.all([
    cpuSecondsOf(lab.serving.child.pid),
    cpuSecondsOf(lab.pulling.child.pid),
    lab.tracker === undefined ? 0 : cpuSecondsOf(lab.tracker.child.pid),
  ])
  return { serving, pulling, tracker }
}

function tableOf(medians: Figures): Table {
  const at = (path: string, digits: number) => figureAt(medians, path).toFixed(digits)
  return {
    title: 'A layer that a peer has',
    headers: ['', 'seconds', 'first byte ms', 'CPU s/GB', 'serving', 'pulling', 'tracker'],
    rows: [
      [
        'Shoal',
        at('seconds', 2),
        at('firstByteMs', 0),
        at('cpuSecondsPerGB', 2),
        at('cpu.serving', 2),
        at('cpu.pulling', 2),
        at('cpu.tracker', 2),
      ],
      ['registry', at('directSeconds', 2), '', '', '', '', ''],
    ],
  }
}

function chartOf(medians: Figures): Chart {
  const points = ['serving', 'pulling', 'tracker'].map((role) => ({ x: role, y: figureAt(medians, `cpu.${role}`) }))
  return {
    title: 'What a gigabyte costs each process of a warm pull',
    kind: 'bars',
    xLabel: '',
    yLabel: 'CPU seconds per GB',
    series: [{ name: 'CPU seconds per GB', points }],
  }
}

/** Without a tracker agents compare samples with the registry, so its silence is promised only with one. */
function barsOf(medians: Figures, hasTracker: boolean): Bar[] {
  const measured = (figure: string) => ({ figure, measured: figureAt(medians, figure) })
  return [
    { ...measured('cpuSecondsPerGB'), atMost: MAX_CPU_SECONDS_PER_GB },
    { ...measured('ratio'), atMost: MAX_RATIO },
    ...(hasTracker ? [{ ...measured('originBlobBytes'), equals: 0 }] : []),
  ]
}
