import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idealMs, MiB, runUntil, simulatedCluster } from '../support/simulation/run.ts'
import { SimulatedContent } from '../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const content = new SimulatedContent('layer', 32 * MiB)

test('when the tracker dies in mid-wave all agents finish', async () => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 20, contents: [content] })
  const pulls = Promise.all(cluster.agents.map(async (agent) => await agent.pull(content)))
  await clock.advance(idealMs(content.ref.sizeBytes) / 2)
  cluster.trackers[0]?.kill()
  const read = await runUntil(clock, pulls, 60_000)
  assert.ok(read.every((bytes) => bytes === content.ref.sizeBytes))
})

/** Times what a wave takes at best, when an agent dies in it: what it was given last is given to others within two seconds. */
const MAX_WITH_DEATH = 2.2

test('when an agent dies in mid-wave the others finish without a pause', async () => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 20, contents: [content] })
  const [victim, ...others] = cluster.agents
  victim?.pull(content).catch(() => undefined)
  const pulls = Promise.all(others.map(async (agent) => await agent.pull(content)))
  await clock.advance(idealMs(content.ref.sizeBytes) / 2)
  victim?.kill()
  const read = await runUntil(clock, pulls, 60_000)
  assert.ok(read.every((bytes) => bytes === content.ref.sizeBytes))
  assert.equal(cluster.originBytes, content.ref.sizeBytes)
  assert.ok(clock.now() <= MAX_WITH_DEATH * idealMs(content.ref.sizeBytes), `${clock.now()} ms`)
})

test('a late joiner is served by peers alone while the origin is down', async () => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 4, contents: [content] })
  await runUntil(clock, Promise.all(cluster.agents.map(async (agent) => await agent.pull(content))), 60_000)
  cluster.isOriginDown = true
  const late = cluster.join('late')
  assert.equal(await runUntil(clock, late.pull(content), 60_000), content.ref.sizeBytes)
  assert.equal(cluster.originBytes, content.ref.sizeBytes)
})

test('a lying peer is banned and costs nobody a wrong byte', async () => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 6, contents: [content] })
  const [liar, ...others] = cluster.agents
  assert.ok(liar)
  await runUntil(clock, liar.pull(content), 60_000)
  liar.lies = true
  const read = await runUntil(clock, Promise.all(others.map(async (agent) => await agent.pull(content))), 60_000)
  assert.ok(read.every((bytes) => bytes === content.ref.sizeBytes))
  const judges = others.filter(({ punished }) => punished.length > 0)
  assert.ok(judges.length > 0)
  for (const { punished } of judges) assert.deepEqual(punished, [liar.id])
})

/** Milliseconds that reading one chunk takes at the fourth agent when the first two hold the blob and the first is `spoilt`. */
async function readTimeMs(spoil: 'stalls' | 'isDead'): Promise<number> {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 3, contents: [content] })
  const [first, second, reader] = cluster.agents
  assert.ok(first && second && reader)
  await runUntil(clock, Promise.all([first.pull(content), second.pull(content)]), 60_000)
  cluster.trackers[0]?.kill()
  first[spoil] = true
  const startMs = clock.now()
  await runUntil(clock, reader.pull(content), 60_000)
  return clock.now() - startMs
}

test('a stalling peer costs a reader at most 300 ms more than its absence', async () => {
  const [stalledMs, absentMs] = [await readTimeMs('stalls'), await readTimeMs('isDead')]
  assert.ok(stalledMs <= absentMs + 300, `${stalledMs} ms against ${absentMs} ms`)
})
