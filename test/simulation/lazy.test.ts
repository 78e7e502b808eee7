import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idealMs, MiB, runUntil, simulatedCluster } from '../support/simulation/run.ts'
import { SimulatedContent } from '../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** Messages there and back, and the steps that virtual time goes in. */
const SLACK_MS = 60

test('the first range of a layer that nobody has is as far away as the registry and the tracker are', async (t) => {
  const clock = new VirtualClock()
  const content = new SimulatedContent('layer', 32 * MiB)
  await using cluster = simulatedCluster({ clock, agents: 3, contents: [content], trackers: 1 })
  const [agent] = cluster.agents
  assert.ok(agent)
  const startMs = clock.now()
  assert.equal(await runUntil(clock, agent.readRange(content, 5 * MiB, 5 * MiB + 2), 10_000), 2)
  const tookMs = clock.now() - startMs
  t.diagnostic(`${tookMs} ms`)
  // One chunk crosses the link of the tracker, then that of the agent; no chunk besides is asked for.
  assert.ok(tookMs <= 2 * idealMs(MiB) + SLACK_MS, `${tookMs} ms`)
  assert.equal(cluster.originBytes, MiB)
})
