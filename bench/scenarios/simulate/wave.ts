import type { AbortOptions } from '../../../src/core/index.ts'
import { SimulatedCluster } from '../../../test/support/simulation/cluster.ts'
import { SimulatedContent } from '../../../test/support/simulation/simulated-blob.ts'
import { TickClock } from '../../../test/support/simulation/tick-clock.ts'
import { percentile } from '../../report/index.ts'

export interface WaveParams {
  readonly nodes: number
  readonly sizeBytes: number
  readonly nodeBytesPerSecond: number
  readonly originBytesPerSecond: number
  readonly trackerBytesPerSecond: number
  readonly latencyMs: number
  readonly trackers: number
  readonly seed: number
}

/** What one simulated wave was like; seconds are virtual but for `cpuSeconds`. */
export interface WaveFigures {
  readonly idealSeconds: number
  readonly makespanSeconds: number
  /** The last node's time as a multiple of the ideal, which nothing can beat: one copy over the slower of the two links. */
  readonly makespanRatio: number
  readonly p50: number
  readonly p99: number
  readonly p50Ratio: number
  readonly p99Ratio: number
  /** Copies of the layer that left the registry. */
  readonly originRatio: number
  /** Messages that a node sent to peers and trackers, in the mean. */
  readonly messagesPerNode: number
  readonly cpuSeconds: number
}

/** Virtual time between two looks at how far the wave is. */
const STEP_MS = 100

/** A wave that takes this many times the ideal has gone wrong. */
const GIVE_UP_RATIO = 20

/** Every node pulls the layer in the same millisecond. Throws when some have not got it in twenty times the ideal, or when aborted. */
export async function simulateWave(
  params: WaveParams,
  onProgress: (doneShare: number) => void,
  { signal }: AbortOptions,
): Promise<WaveFigures> {
  const startCpu = process.cpuUsage()
  const clock = new TickClock()
  const content = new SimulatedContent('layer', params.sizeBytes)
  const cluster = new SimulatedCluster({ ...params, clock, agents: params.nodes, contents: [content] })
  const idealMs = (params.sizeBytes / Math.min(params.nodeBytesPerSecond, params.originBytesPerSecond)) * 1000
  const doneMs: number[] = []
  const pulls = Promise.all(
    cluster.agents.map(async (agent) => {
      await agent.pull(content)
      doneMs.push(clock.now())
    }),
  )
  // A pull that fails is thrown below; until then nobody may look.
  pulls.catch(() => undefined)
  try {
    while (doneMs.length < params.nodes && clock.now() < idealMs * GIVE_UP_RATIO) {
      signal?.throwIfAborted()
      await clock.advance(STEP_MS)
      onProgress(Math.min(0.99, clock.now() / idealMs / 1.4))
    }
    if (doneMs.length < params.nodes) throw new Error(`${params.nodes - doneMs.length} nodes did not get the layer`)
    await pulls
  } finally {
    await cluster.stop()
  }
  const seconds = (share: number) => percentile(doneMs, share) / 1000
  const idealSeconds = idealMs / 1000
  const { user, system } = process.cpuUsage(startCpu)
  return {
    idealSeconds,
    makespanSeconds: seconds(1),
    makespanRatio: seconds(1) / idealSeconds,
    p50: seconds(0.5),
    p99: seconds(0.99),
    p50Ratio: seconds(0.5) / idealSeconds,
    p99Ratio: seconds(0.99) / idealSeconds,
    originRatio: cluster.originBytes / params.sizeBytes,
    messagesPerNode: cluster.agents.reduce((sum, { sentMessages }) => sum + sentMessages, 0) / params.nodes,
    cpuSeconds: (user + system) / 1e6,
  }
}
