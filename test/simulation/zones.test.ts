import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { idealMs, MiB, runUntil, simulatedCluster } from '../support/simulation/run.ts'
import { SimulatedContent } from '../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const ZONES = 3
const content = new SimulatedContent('layer', 128 * MiB)

/** A cold wave of three times eight agents, in as many zones as said; what went over each zone's boundary, in copies. */
async function wave(t: TestContext, init: { readonly zones: number; readonly trackers: number }) {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: ZONES * 8, contents: [content], ...init })
  const pulls = cluster.agents.map(async (agent) => await agent.pull(content))
  await runUntil(clock, Promise.all(pulls), 120_000)
  const crossed = new Map<string, number>()
  for (const { zone, scheduler } of cluster.agents) {
    for (const [from, bytes] of Object.entries(scheduler.zones.total))
      if (from !== zone) crossed.set(zone, (crossed.get(zone) ?? 0) + bytes / content.ref.sizeBytes)
  }
  const result = { timeRatio: clock.now() / idealMs(content.ref.sizeBytes), crossed: [...crossed.values()] }
  t.diagnostic(JSON.stringify(result))
  return result
}

test('without a tracker one copy at most crosses the boundary of each zone, in a third more time at most', async (t) => {
  const plain = await wave(t, { zones: 0, trackers: 0 })
  const zoned = await wave(t, { zones: ZONES, trackers: 0 })
  assert.equal(zoned.crossed.length, ZONES)
  for (const copies of zoned.crossed) assert.ok(copies <= 1.1, `${copies} copies came in`)
  // 1.13 to 1.23 seen: whose turn it is differs with every change of the plan.
  assert.ok(zoned.timeRatio <= plain.timeRatio * 1.33, `${zoned.timeRatio} against ${plain.timeRatio}`)
})

test('with a tracker one copy crosses the boundary of each zone', async (t) => {
  const plain = await wave(t, { zones: 0, trackers: 1 })
  const zoned = await wave(t, { zones: ZONES, trackers: 1 })
  // The tracker counts as outside of all; at its end it gives the wants still parked a chunk again.
  for (const copies of zoned.crossed) assert.ok(copies <= 1.25, `${copies} copies came in`)
  assert.ok(zoned.timeRatio <= plain.timeRatio * 1.2, `${zoned.timeRatio} against ${plain.timeRatio}`)
})
