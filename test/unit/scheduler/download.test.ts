import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DemandKind } from '../../../src/scheduler/index.ts'
import { SimulatedCluster, type SimulatedNode } from '../../support/simulation/cluster.ts'
import { runUntil } from '../../support/simulation/run.ts'
import { SimulatedContent } from '../../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const CHUNK = 1000
const bytes = Uint8Array.from({ length: 20 * CHUNK }, (_, i) => i % 251)
const content = SimulatedContent.real('layer', bytes, CHUNK)
const origins = [{ namespace: 'origin', repository: 'app' }]
const settings = { openWindowBytes: 2 * CHUNK, pullWindowBytes: 4 * CHUNK }

/** Agents on links that carry a chunk in 10 ms. */
function clusterOf(clock: VirtualClock, agents: number, hasTracker = true): SimulatedCluster {
  const rates = { nodeBytesPerSecond: 100_000, originBytesPerSecond: 100_000 }
  return new SimulatedCluster({ clock, agents, contents: [content], hasTracker, settings, ...rates })
}

async function read(node: SimulatedNode | undefined, start: number, end: number, kind: DemandKind, from = origins) {
  const handle = await node?.scheduler.open(content.ref, { origins: from }, {})
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of handle?.read({ start, end }, kind, {}) ?? []) pieces.push(piece)
    return Buffer.concat(pieces)
  } finally {
    handle?.close()
  }
}

describe('a download', () => {
  it('reads no more from the origin than the chunks under a range', async () => {
    const clock = new VirtualClock()
    const cluster = clusterOf(clock, 1, false)
    const got = await runUntil(clock, read(cluster.agents[0], 2_500, 4_500, 'range'), 10_000)
    assert.deepEqual(got, Buffer.from(bytes.subarray(2_500, 4_500)))
    assert.equal(cluster.originBytes, 3 * CHUNK)
    await cluster.stop()
  })

  it('is one for two clients who read the same at the same time', async () => {
    const clock = new VirtualClock()
    const cluster = clusterOf(clock, 1, false)
    const [agent] = cluster.agents
    await runUntil(clock, Promise.all([agent?.pull(content), agent?.pull(content)]), 10_000)
    assert.equal(cluster.originBytes, content.ref.sizeBytes)
    await cluster.stop()
  })

  it('counts what was held before as coming from the store', async () => {
    const clock = new VirtualClock()
    const cluster = clusterOf(clock, 1, false)
    const [agent] = cluster.agents
    await runUntil(clock, read(agent, 0, 2 * CHUNK, 'range'), 10_000)
    await clock.advance(60_000)
    await runUntil(clock, read(agent, 0, 4 * CHUNK, 'range'), 10_000)
    assert.deepEqual(agent?.scheduler.ledger.total, { peers: 0, tracker: 0, origin: 4 * CHUNK, store: 2 * CHUNK })
    await cluster.stop()
  })

  it('cancels what only a client that left had wanted', async () => {
    const clock = new VirtualClock()
    const cluster = clusterOf(clock, 1, false)
    const handle = await cluster.agents[0]?.scheduler.open(content.ref, { origins }, {})
    const reading = (async () => {
      for await (const _ of handle?.read({ start: 0, end: content.ref.sizeBytes }, 'whole', {}) ?? []) break
    })()
    await runUntil(clock, reading, 10_000)
    handle?.close()
    await clock.advance(1_000)
    assert.ok(cluster.originBytes <= 4 * CHUNK, `${cluster.originBytes} bytes for one chunk read`)
    await cluster.stop()
  })

  it('tells its reader at once when no source is left', async () => {
    const clock = new VirtualClock()
    const cluster = clusterOf(clock, 1, false)
    cluster.isOriginDown = true
    await assert.rejects(runUntil(clock, read(cluster.agents[0], 0, CHUNK, 'range'), 5_000), {
      code: 'SOURCES_EXHAUSTED',
      retryable: true,
    })
    await cluster.stop()
  })

  it('goes on without a disk and keeps every byte right', async () => {
    const clock = new VirtualClock()
    const cluster = clusterOf(clock, 1, false)
    const [agent] = cluster.agents
    assert.ok(agent)
    agent.store.isFull = true
    const whole = await runUntil(clock, read(agent, 0, content.ref.sizeBytes, 'whole'), 30_000)
    assert.deepEqual(whole, Buffer.from(bytes))
    await cluster.stop()
  })

  it('serves two readers far apart without a disk', async () => {
    const clock = new VirtualClock()
    const cluster = clusterOf(clock, 1, false)
    const [agent] = cluster.agents
    assert.ok(agent)
    agent.store.isFull = true
    const both = [read(agent, 0, 10 * CHUNK, 'whole'), read(agent, 10 * CHUNK, 20 * CHUNK, 'whole')]
    assert.deepEqual(Buffer.concat(await runUntil(clock, Promise.all(both), 30_000)), Buffer.from(bytes))
    await cluster.stop()
  })

  it('takes from peers what the tracker vouches for and leaves the origin alone', async () => {
    const clock = new VirtualClock()
    const cluster = clusterOf(clock, 2)
    const [first, second] = cluster.agents
    await runUntil(clock, read(first, 0, content.ref.sizeBytes, 'whole'), 30_000)
    cluster.isOriginDown = true
    await runUntil(clock, read(second, 0, content.ref.sizeBytes, 'whole', []), 30_000)
    assert.equal(cluster.originBytes, content.ref.sizeBytes)
    const { peers, tracker, origin } = second?.scheduler.ledger.total ?? { peers: 0, tracker: 0, origin: 1 }
    assert.equal(origin, 0)
    assert.equal(peers + tracker, content.ref.sizeBytes)
    await cluster.stop()
  })

  it('does not keep asking a tracker that says it cannot fetch', async () => {
    const clock = new VirtualClock()
    const cluster = clusterOf(clock, 1)
    cluster.isOriginDown = true
    const [agent] = cluster.agents
    await assert.rejects(runUntil(clock, read(agent, 0, CHUNK, 'range'), 60_000), { code: 'SOURCES_EXHAUSTED' })
    assert.ok((agent?.requests.total ?? 0) < 50, `${agent?.requests.total} requests`)
    await cluster.stop()
  })

  it('ends all its timers and requests when the scheduler stops', async () => {
    const clock = new VirtualClock()
    const cluster = clusterOf(clock, 2)
    const pulls = cluster.agents.map(async (agent) => await agent.pull(content))
    for (const pull of pulls) pull.catch(() => undefined)
    await clock.advance(100)
    await cluster.stop()
    const results = await Promise.allSettled(pulls)
    assert.ok(results.every(({ status }) => status === 'rejected'))
    await assert.rejects(async () => await cluster.agents[0]?.pull(content), { code: 'STOPPING' })
  })
})
