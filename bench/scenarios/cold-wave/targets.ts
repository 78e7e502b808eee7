import { formatBytes, formatDuration, formatShare } from '../../../src/cli/terminal/index.ts'
import { Client } from '../../lab/client.ts'
import type { PullHost } from '../../lab/host-chain.ts'
import { loopbackPlace } from '../../lab/place.ts'
import { runWave, type Wave } from '../../lab/wave.ts'
import { median } from '../../report/index.ts'
import type { ScenarioContext, ScenarioReport } from '../../scenario.ts'
import { UsageError } from '../../usage-error.ts'
import { type Figures, figureAt, summarize } from '../run-figures.ts'
import type { ColdWaveFlags } from './cold-wave-flags.ts'
import { sourceBytes, type StatusDifference } from './status-difference.ts'

/** Longest that a pull may take; nothing is known about the links. */
const PULL_TIMEOUT_MS = 30 * 60_000

interface Reference {
  readonly host: string
  readonly repository: string
  readonly tag: string
}

/** One pull of an image through each of some agents that somebody else runs. Starts nothing but clients. */
export async function waveThroughTargets(flags: ColdWaveFlags, context: ScenarioContext): Promise<ScenarioReport> {
  await using owned = new AsyncDisposableStack()
  const targets = flags.targets ?? []
  const reference = readReference(flags.image ?? '')
  const clients: Client[] = []
  for (const { host } of targets) clients.push(owned.use(await Client.start(loopbackPlace(host))))
  const registry = { url: `${flags.plainHttp ? 'http' : 'https'}://${reference.host}` }
  const mirrors = targets.map(({ origin }) => ({ url: origin, namespace: reference.host }))
  const pull = async (hosts: readonly (readonly PullHost[])[]): Promise<Wave> => {
    const pulls = clients.map((client, index) => ({ client, hosts: hosts[index] ?? [registry] }))
    return await runWave({ pulls, ...reference, staggerMs: flags.stagger, timeoutMs: PULL_TIMEOUT_MS }, context)
  }
  const runs: Figures[] = []
  const baselines: Figures[] = []
  const failures: string[] = []
  for (let run = 0; run < Math.max(context.runs, flags.baselineRuns ?? 0); run++) {
    if (run < context.runs) {
      context.progress(`wave ${run + 1} of ${context.runs}`)
      const before = await statuses(clients, flags.admins, context)
      const wave = await pull(mirrors.map((mirror) => [mirror, registry]))
      const after = await statuses(clients, flags.admins, context)
      runs.push(
        figuresOf(
          wave,
          after.map((status, index) => ({ before: before[index] ?? status, after: status })),
        ),
      )
      failures.push(...wave.failures)
    }
    if (run < (flags.baselineRuns ?? 0)) {
      context.progress(`baseline ${run + 1} of ${flags.baselineRuns}`)
      const wave = await pull([])
      baselines.push(figuresOf(wave, []))
      failures.push(...wave.failures)
    }
  }
  return report(flags, runs, baselines, failures)
}

async function statuses(clients: readonly Client[], admins: readonly URL[] = [], { signal }: ScenarioContext) {
  return await Promise.all(
    admins.map(async ({ origin }, index) => {
      const client = clients[index % clients.length]
      if (client === undefined) throw new UsageError('--targets is empty')
      return await client.status(origin, { signal })
    }),
  )
}

function figuresOf(wave: Wave, differences: readonly StatusDifference[]): Figures {
  const seconds = wave.reports.map(({ startedAtMs, endedAtMs }) => (endedAtMs - startedAtMs) / 1_000)
  const { peers, tracker, origin } = sourceBytes(differences)
  const taken = peers + tracker + origin + wave.directBytes
  return {
    makespanSeconds: wave.makespanSeconds,
    pullSecondsP50: median(seconds),
    pullSecondsMax: Math.max(...seconds),
    imageBytes: Math.max(...wave.reports.map(({ blobBytes = 0 }) => blobBytes)),
    directBytes: wave.directBytes,
    resumedBodies: wave.resumedBodies,
    ...(differences.length === 0 || taken === 0 ? {} : { peerShare: (peers + tracker) / taken }),
  }
}

function report(
  flags: ColdWaveFlags,
  runs: readonly Figures[],
  baselines: readonly Figures[],
  failures: readonly string[],
): ScenarioReport {
  // What agents held in one run and took in another has no median.
  const shared = runs.every((run) => 'peerShare' in run) ? runs : runs.map(({ peerShare: _peerShare, ...run }) => run)
  const { medians, spread } = summarize(shared)
  const baseline = baselines.length === 0 ? undefined : summarize(baselines)
  const named = [
    ...runs.map((run, index) => row(`wave ${index + 1}`, run)),
    ...baselines.map((run, index) => row(`without ${index + 1}`, run)),
  ]
  return {
    params: { targets: flags.targets?.map(String), image: flags.image, staggerMs: flags.stagger, runs: runs.length },
    results: {
      ...medians,
      failedPulls: failures.length,
      ...(baseline === undefined ? {} : { baseline: { ...baseline.medians, spread: baseline.spread } }),
      spread,
      runs,
      failures: [...new Set(failures)],
    },
    tables: [
      {
        title: `${flags.targets?.length} agents pull ${flags.image}; from the second wave on they may have it`,
        headers: ['run', 'makespan', 'median pull', 'image', 'shared', 'direct'],
        rows: named,
      },
    ],
    charts: [
      {
        title: `${flags.image} through ${flags.targets?.length} agents`,
        kind: 'bars',
        xLabel: 'run',
        yLabel: 'makespan, seconds',
        series: [
          {
            name: 'makespan',
            points: named.map(([x = ''], index) => ({
              x,
              y: figureAt([...runs, ...baselines][index] ?? {}, 'makespanSeconds'),
            })),
          },
        ],
      },
    ],
    bars: [],
  }
}

function row(name: string, run: Figures): readonly string[] {
  const share = figureAt(run, 'peerShare')
  return [
    name,
    formatDuration(figureAt(run, 'makespanSeconds')),
    formatDuration(figureAt(run, 'pullSecondsP50')),
    formatBytes(figureAt(run, 'imageBytes')),
    Number.isNaN(share) ? '-' : formatShare(share, 1),
    formatBytes(figureAt(run, 'directBytes')),
  ]
}

/** containerd's way of writing an image: the registry always comes first. */
function readReference(text: string): Reference {
  const [, host, repository, tag] = /^([^/]+)\/([a-z0-9._/-]+):([\w.-]+)$/.exec(text) ?? []
  if (host === undefined || repository === undefined || tag === undefined)
    throw new UsageError('--image: expected HOST/REPOSITORY:TAG, such as registry.example/team/app:v1')
  return { host, repository, tag }
}
