import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { rankByRendezvous } from '../../src/scheduler/origin-duty.ts'
import type { SimulatedCluster } from '../support/simulation/cluster.ts'
import { MiB, runUntil, simulatedCluster } from '../support/simulation/run.ts'
import { SimulatedContent } from '../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const contents = Array.from({ length: 3 }, (_, i) => new SimulatedContent(`layer ${i}`, 32 * MiB))

/** All agents pull `content`; milliseconds that takes and copies that left the origin. */
async function wave(t: TestContext, clock: VirtualClock, cluster: SimulatedCluster, content: SimulatedContent) {
  const [startMs, startBytes] = [clock.now(), cluster.originBytes]
  const pulls = cluster.agents.map(async (agent) => await agent.pull(content))
  await runUntil(clock, Promise.all(pulls), 60_000)
  const result = {
    tookMs: clock.now() - startMs,
    originRatio: (cluster.originBytes - startBytes) / content.ref.sizeBytes,
  }
  t.diagnostic(JSON.stringify(result))
  return result
}

/** The tracker on which duty for `content` falls first. */
function firstFor({ trackers }: SimulatedCluster, content: SimulatedContent) {
  const [first] = rankByRendezvous(
    content.ref.digest,
    trackers.map(({ id }) => id),
  )
  return trackers.find(({ id }) => id === first)
}

test('layers spread over trackers, and each leaves the origin once', async (t) => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 6, contents, trackers: 3 })
  for (const content of contents) {
    const { originRatio } = await wave(t, clock, cluster, content)
    assert.ok(Math.abs(originRatio - 1) < 0.01, `${originRatio} copies`)
    assert.ok((firstFor(cluster, content)?.link.sentBytes ?? 0) > 0)
  }
})

for (const fault of ['isDead', 'stalls'] as const) {
  test(`a tracker of three that ${fault === 'isDead' ? 'dies' : 'hangs'} costs one wave a stall, and the next ones nothing`, async (t) => {
    const clock = new VirtualClock()
    await using cluster = simulatedCluster({ clock, agents: 6, contents, trackers: 3 })
    const [first, second, third] = contents
    assert.ok(first && second && third)
    const usual = await wave(t, clock, cluster, third)
    const victim = firstFor(cluster, first)
    clock.after(1_000, () => {
      if (fault === 'isDead') victim?.kill()
      else if (victim !== undefined) victim.stalls = true
    })
    const struck = await wave(t, clock, cluster, first)
    // The victim's own reading, which the simulation does not stop, and the successor's.
    assert.ok(struck.originRatio <= 2.1, `${struck.originRatio} copies`)
    assert.ok(struck.tookMs <= 2 * usual.tookMs + 3_000, `${struck.tookMs} ms against ${usual.tookMs} ms`)
    const after = await wave(t, clock, cluster, second)
    assert.ok(after.originRatio <= 1.05, `${after.originRatio} copies`)
    assert.ok(after.tookMs <= usual.tookMs + 500, `${after.tookMs} ms against ${usual.tookMs} ms`)
  })
}

test('the only tracker hanging costs the first wave its patience, and later waves nothing', async (t) => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 6, contents, trackers: 1 })
  const [tracker] = cluster.trackers
  assert.ok(tracker)
  tracker.stalls = true
  const [first, second] = contents
  assert.ok(first && second)
  const struck = await wave(t, clock, cluster, first)
  const after = await wave(t, clock, cluster, second)
  for (const { originRatio } of [struck, after]) assert.ok(originRatio <= 1.1, `${originRatio} copies`)
  assert.ok(after.tookMs <= struck.tookMs - 1_500, `${after.tookMs} ms after ${struck.tookMs} ms`)
})

test('a tracker that hung is used again once it goes on', async (t) => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 3, contents, trackers: 2 })
  const [first, second, third] = contents
  assert.ok(first && second && third)
  const victim = firstFor(cluster, third)
  assert.ok(victim)
  victim.stalls = true
  await wave(t, clock, cluster, first)
  victim.stalls = false
  await wave(t, clock, cluster, second)
  const sentBytes = victim.link.sentBytes
  await wave(t, clock, cluster, third)
  assert.ok(victim.link.sentBytes - sentBytes >= third.ref.sizeBytes)
})

test('a tracker that lacks a layer has it from another tracker, not from the origin', async (t) => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 3, contents, trackers: 2 })
  const [content] = contents
  assert.ok(content)
  const victim = firstFor(cluster, content)
  assert.ok(victim)
  const [other] = cluster.trackers.filter((tracker) => tracker !== victim)
  assert.ok(other)
  await runUntil(clock, other.pull(content), 30_000)
  const { originRatio } = await wave(t, clock, cluster, content)
  assert.ok(originRatio <= 0.1, `${originRatio} copies`)
})

test('two trackers that read the same layer share the reading', async () => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 1, contents, trackers: 2 })
  const [content] = contents
  assert.ok(content)
  await runUntil(clock, Promise.all(cluster.trackers.map(async (tracker) => await tracker.pull(content))), 30_000)
  const originRatio = cluster.originBytes / content.ref.sizeBytes
  assert.ok(originRatio <= 1.15, `${originRatio} copies`)
})
