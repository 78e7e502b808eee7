import { setTimeout as sleep } from 'node:timers/promises'
import type { LazyNode, StartTimes } from '../../../test/support/lazy-node.ts'
import { cpuSecondsOf } from '../pair/process-cpu.ts'
import type { Figures } from '../run-figures.ts'
import type { Abortable, LazyStartLab, NodeCluster } from './lazy-start-lab.ts'

/** What the container runs: its first line is read from its output. */
export const COMMAND = ['python3', '-c', 'import numpy; print("numpy", numpy.__version__, flush=True)'] as const

export const FIRST_LINE = /^numpy \d/

/** What agents and trackers call themselves; whoever else asks the registry has gone past them. */
const AGENT_NAME = /^shoal\//i

/** An agent tells trackers what a start has read once it has read nothing new for four seconds. */
const TRACED_AFTER_MS = 6_000

/** All ways to start the container that are compared, in the order in which they take turns. */
export const VARIANTS = ['fullPull', 'warm', 'traced', 'cold', 'direct', 'originDirect'] as const

export type Variant = (typeof VARIANTS)[number]

/** Starts the container in one way, on a node that has nothing of the image; removes the node. */
export async function startOnce(lab: LazyStartLab, variant: Variant, options: Abortable): Promise<Figures> {
  if (variant === 'direct') return await startDirectly(lab, 'unshaped', options)
  if (variant === 'originDirect') return await startDirectly(lab, 'origin', options)
  if (variant === 'fullPull') return await startAfterFullPull(lab, options)
  if (variant === 'traced') return await startTraced(lab, options)
  await using cluster = await lab.startCluster(variant, options)
  return await startLazily(lab, cluster, options)
}

/** Labs in which the container was started before, and what it read first is known to the tracker. */
const traced = new WeakSet<LazyStartLab>()

async function startTraced(lab: LazyStartLab, options: Abortable): Promise<Figures> {
  if (!traced.has(lab)) {
    await using before = await lab.joinWarm(options)
    await startLazily(lab, before, options)
    await sleep(TRACED_AFTER_MS, undefined, options)
    traced.add(lab)
  }
  await using cluster = await lab.joinWarm(options)
  return await startLazily(lab, cluster, options)
}

async function startDirectly(lab: LazyStartLab, registry: 'origin' | 'unshaped', options: Abortable): Promise<Figures> {
  await using node = await lab.startNode(registry)
  const requests = lab[registry]
  requests.reset()
  const times = await unlessAborted(options, node.firstLine(lab.reference(registry), COMMAND, FIRST_LINE))
  return { ...secondsOf(times), readBytes: requests.blobs.reduce((sum, { sentBytes }) => sum + sentBytes, 0) }
}

async function startLazily(lab: LazyStartLab, { agent, processes }: NodeCluster, options: Abortable): Promise<Figures> {
  await using node = await lab.startNode('origin', agent)
  const before = await lab.fetchedBytes(agent, options)
  const beforeCpu = await cpuSecondsOfAll(processes)
  lab.origin.reset()
  const times = await unlessAborted(options, node.firstLine(lab.reference('origin'), COMMAND, FIRST_LINE))
  const after = await lab.fetchedBytes(agent, options)
  return {
    ...secondsOf(times),
    cpuSeconds: (await cpuSecondsOfAll(processes)) - beforeCpu,
    bytesFromPeers: after.peers - before.peers,
    bytesFromTracker: after.tracker - before.tracker,
    originBytes: lab.origin.blobs.reduce((sum, { sentBytes }) => sum + sentBytes, 0),
    originBlobRequests: lab.origin.blobs.length,
    fallbacks: lab.origin.all.filter(({ userAgent }) => !AGENT_NAME.test(userAgent)).length,
  }
}

/** Everything fetched and unpacked first; and, with another new agent, fetched alone. */
async function startAfterFullPull(lab: LazyStartLab, options: Abortable): Promise<Figures> {
  const reference = lab.reference('origin')
  const start = async (node: LazyNode) => await node.firstLineAfterFullPull(reference, COMMAND, FIRST_LINE)
  const fetch = async (node: LazyNode) => await node.fetchOnly(reference)
  const times = await onWarmNode(lab, start, options)
  return { ...secondsOf(times), downloadSeconds: (await onWarmNode(lab, fetch, options)) / 1_000 }
}

async function onWarmNode<Result>(
  lab: LazyStartLab,
  work: (node: LazyNode) => Promise<Result>,
  options: Abortable,
): Promise<Result> {
  await using cluster = await lab.joinWarm(options)
  await using node = await lab.startNode('origin', cluster.agent)
  return await unlessAborted(options, work(node))
}

async function cpuSecondsOfAll(processes: NodeCluster['processes']): Promise<number> {
  const each = await Promise.all(processes.map(async ({ child }) => await cpuSecondsOf(child.pid)))
  return each.reduce((sum, seconds) => sum + seconds, 0)
}

function secondsOf({ pullMs, runMs }: StartTimes) {
  return { seconds: (pullMs + runMs) / 1_000, pullSeconds: pullMs / 1_000, runSeconds: runMs / 1_000 }
}

/** Rejects at once when the user interrupts; what is still under way then ends with the node that it happens on. */
async function unlessAborted<Result>({ signal }: Abortable, work: Promise<Result>): Promise<Result> {
  const interrupted = Promise.withResolvers<never>()
  const abort = (): void => interrupted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  work.catch(() => undefined)
  try {
    signal.throwIfAborted()
    return await Promise.race([work, interrupted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
