import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { SimulatedCluster } from '../support/simulation/cluster.ts'
import { idealMs, MiB, runUntil, simulatedCluster } from '../support/simulation/run.ts'
import { SimulatedContent } from '../support/simulation/simulated-blob.ts'
import { type SteppedClock, TickClock } from '../support/simulation/tick-clock.ts'

/** Every agent pulls `content` in the same instant; how the wave compares with one copy over one link, told in the report too. */
async function wave(t: TestContext, clock: SteppedClock, cluster: SimulatedCluster, content: SimulatedContent) {
  const pulls = cluster.agents.map(async (agent) => await agent.pull(content))
  const read = await runUntil(clock, Promise.all(pulls), 120_000)
  const { sizeBytes } = content.ref
  assert.ok(read.every((bytes) => bytes === sizeBytes))
  const sent = [...cluster.agents, ...cluster.trackers].reduce((sum, { link }) => sum + link.sentBytes, 0)
  const ratios = {
    timeRatio: clock.now() / idealMs(sizeBytes),
    originRatio: cluster.originBytes / sizeBytes,
    sentRatio: sent / cluster.agents.length / sizeBytes,
  }
  t.diagnostic(JSON.stringify(ratios))
  return ratios
}

test('a cold wave of 200 agents takes one copy from the origin and sends hardly a byte twice', async (t) => {
  const clock = new TickClock()
  const content = new SimulatedContent('layer', 32 * MiB)
  await using cluster = simulatedCluster({ clock, agents: 200, contents: [content] })
  const { timeRatio, originRatio, sentRatio } = await wave(t, clock, cluster, content)
  assert.ok(originRatio <= 1.05, `${originRatio} copies left the origin`)
  assert.ok(sentRatio <= 1.02, `${sentRatio} copies sent to each agent`)
  // 32 chunks cannot spread to 200 nodes in less than 1.3 times the ideal: two hops and eight doublings come on top.
  assert.ok(timeRatio <= 2.3, `${timeRatio} times the ideal`)
})

test('a cold wave of 8 agents ends when the last chunk has crossed the wire once more', async (t) => {
  const clock = new TickClock()
  const content = new SimulatedContent('layer', 256 * MiB)
  await using cluster = simulatedCluster({ clock, agents: 8, contents: [content] })
  const { timeRatio, originRatio, sentRatio } = await wave(t, clock, cluster, content)
  assert.ok(originRatio <= 1.05, `${originRatio} copies left the origin`)
  assert.ok(sentRatio <= 1.02, `${sentRatio} copies sent to each agent`)
  assert.ok(timeRatio <= 1.15, `${timeRatio} times the ideal`)
})

test('a cold wave of 8 agents without a tracker takes little more than one copy from the origin', async (t) => {
  const clock = new TickClock()
  const content = new SimulatedContent('layer', 128 * MiB)
  await using cluster = simulatedCluster({ clock, agents: 8, contents: [content], hasTracker: false })
  const { timeRatio, originRatio } = await wave(t, clock, cluster, content)
  assert.ok(originRatio <= 1.3, `${originRatio} copies left the origin`)
  assert.ok(timeRatio <= 2, `${timeRatio} times the ideal`)
})

test('two agents with a tracker take one copy between them', async (t) => {
  const clock = new TickClock()
  const content = new SimulatedContent('layer', 32 * MiB)
  await using cluster = simulatedCluster({ clock, agents: 2, contents: [content] })
  const { timeRatio, originRatio } = await wave(t, clock, cluster, content)
  assert.ok(Math.abs(originRatio - 1) < 1e-6)
  // The last four chunks come side by side over the tracker's link.
  assert.ok(timeRatio <= 1.35, `${timeRatio} times the ideal`)
})

test('a lone agent without a tracker is as fast as the origin', async (t) => {
  const clock = new TickClock()
  const content = new SimulatedContent('layer', 32 * MiB)
  await using cluster = simulatedCluster({ clock, agents: 1, contents: [content], hasTracker: false })
  const { timeRatio, originRatio } = await wave(t, clock, cluster, content)
  assert.ok(Math.abs(originRatio - 1) < 1e-6)
  assert.ok(timeRatio <= 1.15, `${timeRatio} times the ideal`)
})
