import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { SimulatedCluster } from '../support/simulation/cluster.ts'
import { idealMs, MiB, runUntil, simulatedCluster } from '../support/simulation/run.ts'
import { SimulatedContent } from '../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

interface WaveInit {
  readonly agents: number
  readonly sizeBytes: number
  /** Time from the first agent's start to the last one's. */
  readonly staggerMs?: number
  /** Agents each one knows beside the first; all unless said. */
  readonly neighbours?: number
  /** The agent that dies, and when. */
  readonly dies?: { readonly index: number; readonly atMs: number }
}

/** A cold wave without a tracker; how it compares with one copy over one link, and what it asked of the origin. */
async function wave(t: TestContext, init: WaveInit) {
  const clock = new VirtualClock()
  const content = new SimulatedContent('layer', init.sizeBytes)
  const { agents, neighbours, staggerMs = 0, dies } = init
  const shared = { clock, agents, contents: [content], hasTracker: false }
  await using cluster = simulatedCluster(neighbours === undefined ? shared : { ...shared, neighbours })
  const victim = dies === undefined ? undefined : cluster.agents[dies.index]
  if (dies !== undefined) clock.after(dies.atMs, () => victim?.kill())
  const pulls = cluster.agents.map(async (agent, index) => {
    await startAt(clock, (staggerMs * index) / agents)
    const pull = agent.pull(content)
    return agent === victim ? await pull.catch(() => content.ref.sizeBytes) : await pull
  })
  const read = await runUntil(clock, Promise.all(victim === undefined ? pulls : without(pulls, dies?.index)), 120_000)
  assert.ok(read.every((bytes) => bytes === content.ref.sizeBytes))
  const ratios = {
    timeRatio: clock.now() / idealMs(content.ref.sizeBytes),
    originRatio: cluster.originBytes / content.ref.sizeBytes,
    originRequests: requestsOf(cluster),
  }
  t.diagnostic(JSON.stringify(ratios))
  return ratios
}

async function startAt(clock: VirtualClock, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  clock.after(ms, resolve)
  await promise
}

function without<T>(items: readonly T[], index: number | undefined): T[] {
  return items.filter((_, i) => i !== index)
}

function requestsOf(cluster: SimulatedCluster): number {
  return cluster.agents.reduce((sum, { originRequests }) => sum + originRequests, 0)
}

for (const agents of [2, 3, 8]) {
  test(`${agents} agents without a tracker take one copy from the origin`, async (t) => {
    const { originRatio, timeRatio, originRequests } = await wave(t, { agents, sizeBytes: 256 * MiB })
    assert.ok(originRatio <= 1.05, `${originRatio} copies left the origin`)
    assert.ok(timeRatio <= 1.35, `${timeRatio} times the ideal`)
    assert.ok(originRequests <= 320, `${originRequests} requests to the origin`)
  })
}

test('agents without a tracker that start within half a second share the reading', async (t) => {
  for (const agents of [2, 3, 8]) {
    const { originRatio } = await wave(t, { agents, sizeBytes: 64 * MiB, staggerMs: 500 })
    assert.ok(originRatio <= 1.1, `${agents} agents took ${originRatio} copies`)
  }
})

test('200 agents without a tracker, each knowing a few, take one copy from the origin', async (t) => {
  const init = { agents: 200, sizeBytes: 32 * MiB, staggerMs: 200, neighbours: 30 }
  const { originRatio, timeRatio, originRequests } = await wave(t, init)
  assert.ok(originRatio <= 1.1, `${originRatio} copies left the origin`)
  // As with a tracker: 32 chunks cannot spread to 200 nodes much faster.
  assert.ok(timeRatio <= 2.6, `${timeRatio} times the ideal`)
  assert.ok(originRequests <= 400, `${originRequests} requests to the origin`)
})

test('when an agent dies in mid-wave the next in order take over its chunks, and not everybody', async (t) => {
  const { originRatio } = await wave(t, { agents: 8, sizeBytes: 64 * MiB, dies: { index: 2, atMs: 2_000 } })
  assert.ok(originRatio <= 1.25, `${originRatio} copies left the origin`)
})
