import { setTimeout as sleep } from 'node:timers/promises'
import type { ShoalProcess } from '../../../test/support/shoal-process.ts'
import type { Fleet } from '../../lab/fleet.ts'
import type { Lab } from '../../lab/lab.ts'
import { runWave } from '../../lab/wave.ts'
import type { ScenarioContext } from '../../scenario.ts'
import { cpuSecondsOf } from '../pair/process-cpu.ts'
import { memoryOf, startedAtMs } from './process-memory.ts'
import { floorSlopeOf } from './slope.ts'

export interface FootprintParams {
  readonly pulls: number
  readonly imageBytes: number
  readonly quotaBytes: number
}

/** What one cluster of a tracker and two agents showed. */
export interface FootprintRun {
  /** Names as in the report; of the two agents the worse one. */
  readonly figures: Readonly<Record<string, number>>
  /** Of the tracker and each agent, after each pull. */
  readonly rssMiB: readonly { readonly name: string; readonly values: readonly number[] }[]
}

/** After this a process has joined its cluster and has forgotten about its start. */
const SETTLE_MS = 20_000

/** Idle CPU is counted over this; a heartbeat comes every 15 s. */
const IDLE_MS = 30_000

/** Layers of an image; several, as images have. */
const LAYERS = 4

/** Part of the pulls in which code is compiled, and pools and the store fill up; the slope is of the rest. */
const WARM_UP_SHARE = 1 / 3

/** Pulls of which the least memory counts; V8 collects at least that often. */
const FLOOR_PULLS = 5

/** A pull of an ordinary size takes a second; one that takes this long has failed. */
const PULL_TIMEOUT_MS = 120_000

const MIB = 1024 ** 2

/** Starts a cluster, watches it idle, and has both nodes pull one image after the other that nobody has seen before. */
export async function measureFootprint(lab: Lab, params: FootprintParams, context: ScenarioContext) {
  const store = { quota: `${params.quotaBytes}B`, minFree: '64MiB' }
  await using fleet = await lab.startFleet({ settings: { store } }, context)
  const agents = fleet.nodes.map(({ agent }) => agent)
  const started = await Promise.all(agents.map(startOf))
  await sleep(SETTLE_MS, undefined, { signal: context.signal })
  const idle = await idleFigures(fleet, context.signal)
  const pulled = await pullMany(lab, fleet, params, context)
  const slopes = pulled.rssMiB.map(({ values }) =>
    floorSlopeOf(values.slice(Math.floor(values.length * WARM_UP_SHARE)), FLOOR_PULLS),
  )
  const steepest = slopes.reduce((worst, slope) => (slope.low > worst.low ? slope : worst))
  const statuses = [...(await fleet.statuses(context)).values()]
  const memories = await Promise.all(agents.map(({ child }) => memoryOf(child.pid)))
  const figures = {
    startSeconds: worst(started.map(({ seconds }) => seconds)),
    startCpuSeconds: worst(started.map(({ cpuSeconds }) => cpuSeconds)),
    ...idle,
    peakRssMiB: worst(memories.map(({ peakRssMiB }) => peakRssMiB)),
    slopeMiBPerPull: steepest.perStep,
    slopeLowMiBPerPull: steepest.low,
    slopeHighMiBPerPull: steepest.high,
    storeMiB: worst(statuses.map((status) => status.store.usedBytes / MIB)),
    failedPulls: pulled.failedPulls,
  }
  return { figures, rssMiB: pulled.rssMiB } satisfies FootprintRun
}

/** From the start of the process to the line that says it serves, and its CPU until now, a moment later. */
async function startOf({ child }: ShoalProcess) {
  const line = JSON.parse(await child.waitForLine(/"msg":"started"/, { timeoutMs: 1_000 })) as { readonly time: number }
  return {
    seconds: (line.time - (await startedAtMs(child.pid))) / 1_000,
    cpuSeconds: await cpuSecondsOf(child.pid),
  }
}

async function idleFigures({ nodes, trackers }: Fleet, signal: AbortSignal) {
  const agents = nodes.map(({ agent }) => agent)
  const cpuOf = async (): Promise<number[]> =>
    await Promise.all(agents.map(async ({ child }) => await cpuSecondsOf(child.pid)))
  const before = await cpuOf()
  await sleep(IDLE_MS, undefined, { signal })
  const after = await cpuOf()
  const rssOf = async ({ child }: ShoalProcess): Promise<number> => (await memoryOf(child.pid)).rssMiB
  return {
    idleRssMiB: worst(await Promise.all(agents.map(rssOf))),
    trackerIdleRssMiB: worst(await Promise.all(trackers.map(rssOf))),
    idleCpuSecondsPerMinute: worst(after.map((cpu, index) => ((cpu - (before[index] ?? 0)) * 60_000) / IDLE_MS)),
  }
}

async function pullMany(lab: Lab, fleet: Fleet, params: FootprintParams, context: ScenarioContext) {
  const processes = [...fleet.trackers, ...fleet.nodes.map(({ agent }) => agent)]
  const rssMiB = processes.map(({ name }) => ({ name, values: [] as number[] }))
  let failedPulls = 0
  for (let pull = 0; pull < params.pulls; pull++) {
    context.progress(`pull ${pull + 1} of ${params.pulls}`, pull / params.pulls)
    failedPulls += await pullOne(lab, fleet, params.imageBytes, context.signal)
    for (const [index, { child }] of processes.entries()) rssMiB[index]?.values.push((await memoryOf(child.pid)).rssMiB)
  }
  return { rssMiB, failedPulls }
}

/** Both nodes at the same time; how many of them failed. */
async function pullOne(lab: Lab, fleet: Fleet, imageBytes: number, signal: AbortSignal): Promise<number> {
  const layerBytes = Math.ceil(imageBytes / LAYERS)
  const { repository, tag } = await lab.origin.addImage(new Array<number>(LAYERS).fill(layerBytes), { signal })
  const namespace = lab.origin.host
  const pulls = fleet.nodes.map(({ client, agent }) => ({
    client,
    hosts: [{ url: agent.mirrorUrl, namespace }, { url: `http://${namespace}` }],
  }))
  const wave = await runWave({ pulls, repository, tag, staggerMs: 0, timeoutMs: PULL_TIMEOUT_MS }, { signal })
  return wave.failures.length
}

function worst(values: readonly number[]): number {
  return Math.max(...values)
}
