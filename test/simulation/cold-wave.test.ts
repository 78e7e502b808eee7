import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedCluster } from '../support/simulation/cluster.ts'
import { SimulatedContent } from '../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const MiB = 1024 * 1024
const RATE = 12.5 * 1_000_000

/** Advances virtual time until every pull is done; the virtual seconds that took. */
async function finish(clock: VirtualClock, pulls: readonly Promise<unknown>[], limitSeconds: number): Promise<number> {
  let isDone = false
  const all = Promise.all(pulls).finally(() => {
    isDone = true
  })
  all.catch(() => undefined)
  for (let ms = 0; !isDone && ms < limitSeconds * 1000; ms += 50) await clock.advance(50)
  assert.ok(isDone, `not done after ${limitSeconds} virtual seconds`)
  await all
  return clock.now() / 1000
}

describe('a cold wave in simulation', () => {
  it('takes one copy from the origin and about one transfer time for 200 agents with a tracker', async () => {
    const clock = new VirtualClock()
    const content = new SimulatedContent('layer', 64 * MiB)
    const cluster = new SimulatedCluster({
      clock,
      agents: 200,
      contents: [content],
      nodeBytesPerSecond: RATE,
      originBytesPerSecond: RATE,
    })
    const idealSeconds = content.ref.sizeBytes / RATE
    const seconds = await finish(clock, cluster.agents.map(async (agent) => await agent.pull(content)), 120)
    console.log({ seconds, idealSeconds, ratio: seconds / idealSeconds, origin: cluster.originBytes / content.ref.sizeBytes })
    await cluster.stop()
    assert.ok(cluster.originBytes <= 1.05 * content.ref.sizeBytes)
    assert.ok(seconds <= 2 * idealSeconds, `${seconds} s for an ideal of ${idealSeconds} s`)
  })
})
