import { formatBytes, formatDuration } from '../../src/cli/terminal/index.ts'
import { countOf, parseRate, parseSize } from '../flag-values.ts'
import type { Fleet, FleetNode } from '../lab/fleet.ts'
import { Lab } from '../lab/lab.ts'
import { evenLayers, linksOf } from '../lab/lab-flags.ts'
import type { LabImage } from '../lab/origin.ts'
import { runWave, type Wave } from '../lab/wave.ts'
import { median } from '../report/index.ts'
import type { Scenario, ScenarioContext, ScenarioReport } from '../scenario.ts'
import { type Figures, figureAt, summarize } from './run-figures.ts'

interface RollingFlags {
  readonly nodes: number
  readonly size: number
  readonly layers: number
  readonly rate?: number
  readonly originRate?: number
  readonly tracker: boolean
}

/** Share of the nodes that pull at the same time: how Kubernetes updates a DaemonSet with `maxUnavailable: 20%`. */
const BATCH_SHARE = 0.2

/** Longest that the pulls of one batch may take. */
const PULL_TIMEOUT_MS = 300_000

/** Images that fit a store, and room: the one being pulled, the one before it, and what is being written. */
const STORE_QUOTA_IMAGES = 3

/** One fifth of the nodes after the other pulls an image that the first fifth has brought into the swarm. */
export const rollingScenario: Scenario = {
  name: 'rolling',
  summary: 'One fifth of the nodes after the other pulls an image that the first fifth has brought into the swarm.',
  flags: [
    { flags: '--nodes <count>', description: 'agents, each with a client', defaultValue: 10, parse: countOf(2, 200) },
    { flags: '--size <size>', description: 'bytes of all layers together', defaultValue: '64MiB', parse: parseSize },
    { flags: '--layers <count>', description: 'layers of equal size', defaultValue: 4, parse: countOf(1, 100) },
    { flags: '--rate <rate>', description: 'link of each agent and tracker, both ways (needs root)', parse: parseRate },
    { flags: '--origin-rate <rate>', description: 'link of the origin; default: as --rate', parse: parseRate },
    { flags: '--no-tracker', description: 'without a tracker' },
  ],
  examples: ['rolling --nodes 10 --size 64MiB --rate 100mbit   (as root)'],
  async run(given, context) {
    const flags = given as unknown as RollingFlags
    const links = linksOf(flags)
    const init = { nodes: flags.nodes, trackers: flags.tracker ? 1 : 0 }
    await using lab = await Lab.start(links === undefined ? init : { ...init, links }, context)
    context.progress(`starting ${flags.nodes} agents`)
    const quota = `${Math.ceil((flags.size * STORE_QUOTA_IMAGES) / 1024 ** 2) + 64}MiB`
    await using fleet = await lab.startFleet({ settings: { store: { quota } } }, context)
    const runs: Figures[] = []
    for (let run = 0; run < context.runs; run++) {
      context.progress(`roll-out ${run + 1} of ${context.runs}`, run / context.runs)
      const image = await lab.origin.addImage(evenLayers(flags.size, flags.layers), context)
      runs.push(await rollOut(lab, fleet, image, context))
    }
    return report(flags, links !== undefined, runs)
  },
}

async function rollOut(lab: Lab, fleet: Fleet, image: LabImage, { signal }: ScenarioContext): Promise<Figures> {
  const [first = [], ...others] = batches(fleet.nodes)
  const firstWave = await pull(lab, first, image, signal)
  const originBefore = await lab.origin.sentBytes({ signal })
  const waves: Wave[] = []
  for (const batch of others) waves.push(await pull(lab, batch, image, signal))
  const originBytes = (await lab.origin.sentBytes({ signal })) - originBefore
  const seconds = waves.flatMap(({ reports }) => reports.map((each) => (each.endedAtMs - each.startedAtMs) / 1_000))
  return {
    firstBatchSeconds: firstWave.makespanSeconds,
    secondsP50: median(seconds),
    secondsMax: Math.max(...seconds),
    originBytes,
    imageBytes: image.imageBytes,
    originRatio: originBytes / image.imageBytes,
    failedPulls: [firstWave, ...waves].reduce((sum, { failures }) => sum + failures.length, 0),
  }
}

async function pull(lab: Lab, nodes: readonly FleetNode[], image: LabImage, signal: AbortSignal): Promise<Wave> {
  const namespace = lab.origin.host
  const pulls = nodes.map(({ client, agent }) => {
    return { client, hosts: [{ url: agent.mirrorUrl, namespace }, { url: `http://${namespace}` }] }
  })
  const { repository, tag } = image
  return await runWave({ pulls, repository, tag, staggerMs: 0, timeoutMs: PULL_TIMEOUT_MS }, { signal })
}

function batches(nodes: readonly FleetNode[]): readonly (readonly FleetNode[])[] {
  const size = Math.ceil(nodes.length * BATCH_SHARE)
  return Array.from({ length: Math.ceil(nodes.length / size) }, (_, index) =>
    nodes.slice(index * size, (index + 1) * size),
  )
}

function report(flags: RollingFlags, isShaped: boolean, runs: readonly Figures[]): ScenarioReport {
  const { medians, spread } = summarize(runs)
  const failedPulls = runs.reduce((sum, run) => sum + figureAt(run, 'failedPulls'), 0)
  return {
    params: { ...flags, isShaped, batchShare: BATCH_SHARE, runs: runs.length },
    results: { ...medians, failedPulls, spread, runs },
    tables: [
      {
        title: `${flags.nodes} nodes, a fifth at a time, ${formatBytes(flags.size)}, ${isShaped ? 'links shaped' : 'links not shaped'}`,
        headers: ['run', 'first fifth', 'median pull', 'slowest pull', 'from origin after the first fifth'],
        rows: runs.map((run, index) => [
          String(index + 1),
          formatDuration(figureAt(run, 'firstBatchSeconds')),
          formatDuration(figureAt(run, 'secondsP50')),
          formatDuration(figureAt(run, 'secondsMax')),
          formatBytes(figureAt(run, 'originBytes')),
        ]),
      },
    ],
    charts: [
      {
        title: 'Rolling update',
        kind: 'bars',
        xLabel: 'run',
        yLabel: 'seconds',
        series: ['firstBatchSeconds', 'secondsP50', 'secondsMax'].map((name) => ({
          name,
          points: runs.map((run, index) => ({ x: String(index + 1), y: figureAt(run, name) })),
        })),
      },
    ],
    bars: [],
  }
}
