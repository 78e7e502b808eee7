import { FaultLab, type LabOrigin } from '../../../test/support/fault-lab.ts'
import type { ShoalProcess } from '../../../test/support/shoal-process.ts'
import type { Figures } from '../run-figures.ts'
import type { Versions } from './upgrade-images.ts'

/** Two versions of an image, and what is not evicted meanwhile. */
const STORE_QUOTA = '8GiB'

/** Longest pull: both agents, the registry and this program share the machine. */
const PULL_TIMEOUT_MS = 300_000

/**
 * A tracker and two agents, all with the old version. Then one agent after the other pulls the new one: for the first nobody
 * has it but the registry, for the second it is what it is for every further node.
 */
export async function measureUpgrade({ before, after }: Versions): Promise<Figures> {
  await using lab = await FaultLab.start({
    agents: 2,
    trackers: 1,
    images: async () => [before, after],
    settings: { store: { quota: STORE_QUOTA } },
  })
  const [first, second] = lab.swarm.agents
  const [old, fresh] = lab.origins
  if (first === undefined || second === undefined || old === undefined || fresh === undefined)
    throw new Error('the lab has two agents and two images')
  for (const agent of [first, second]) await lab.pullFromMirror(agent, { from: old, timeoutMs: PULL_TIMEOUT_MS })
  const ofFirst = await measurePull(lab, first, fresh)
  const originBytes = fresh.registry.counts.blobBytes
  const ofSecond = await measurePull(lab, second, fresh)
  return {
    ...ofSecond,
    first: ofFirst,
    originBytes,
    originBytesAfterFirst: fresh.registry.counts.blobBytes - originBytes,
    originRatio: fresh.registry.counts.blobBytes / after.blobBytes,
  }
}

/** Pulls from the agent alone, every digest checked. */
async function measurePull(lab: FaultLab, agent: ShoalProcess, from: LabOrigin): Promise<Figures> {
  const had = await sentTo(agent)
  const startMs = performance.now()
  const { blobBytes } = await lab.pullFromMirror(agent, { from, timeoutMs: PULL_TIMEOUT_MS })
  const seconds = (performance.now() - startMs) / 1_000
  const bytesSent = (await sentTo(agent)) - had
  const bytesReused = Math.max(0, blobBytes - bytesSent)
  return { bytesNeeded: blobBytes, bytesSent, bytesReused, reuseRatio: bytesReused / blobBytes, seconds }
}

/** Bytes that came to the agent from anywhere outside since it started. */
async function sentTo(agent: ShoalProcess): Promise<number> {
  const { peers, tracker, origin } = (await agent.status()).bytesBySource
  return peers + tracker + origin
}
