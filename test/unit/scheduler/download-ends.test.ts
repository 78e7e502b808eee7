import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ShoalError } from '../../../src/core/index.ts'
import type { DemandKind, StoredBlob } from '../../../src/scheduler/index.ts'
import { SimulatedCluster, type SimulatedNode } from '../../support/simulation/cluster.ts'
import { runUntil } from '../../support/simulation/run.ts'
import { SimulatedContent } from '../../support/simulation/simulated-blob.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'

const CHUNK = 1000
const bytes = Uint8Array.from({ length: 8 * CHUNK }, (_, i) => i % 251)
const content = SimulatedContent.real('layer', bytes, CHUNK)
const empty = SimulatedContent.real('nothing', new Uint8Array(0), CHUNK)
const origins = [{ namespace: 'origin', repository: 'app' }]

/** One agent on links that carry a chunk in 10 ms. */
function lab(hasTracker = false) {
  const clock = new VirtualClock()
  const rates = { nodeBytesPerSecond: 100_000, originBytesPerSecond: 100_000 }
  const cluster = new SimulatedCluster({ clock, agents: 1, contents: [content, empty], hasTracker, ...rates })
  const agent = cluster.agents[0]
  assert.ok(agent)
  return { clock, cluster, agent }
}

async function readRange(agent: SimulatedNode, start: number, end: number, kind: DemandKind = 'range'): Promise<void> {
  const handle = await agent.scheduler.open(content.ref, { origins }, {})
  try {
    for await (const _ of handle.read({ start, end }, kind, {}));
  } finally {
    handle.close()
  }
}

/** Lets `spoil` change each blob that the agent's store opens. */
function spoilStore({ store }: SimulatedNode, spoil: (blob: StoredBlob) => void): void {
  const open = store.open.bind(store)
  store.open = async (ref) => {
    const blob = await open(ref)
    spoil(blob)
    return blob
  }
}

describe('a download ends every wait', () => {
  it('of a range that a tracker took on and never delivers, at the origin', async () => {
    const { clock, cluster, agent } = lab(true)
    const [tracker] = cluster.trackers
    assert.ok(tracker)
    tracker.stalls = true
    await runUntil(clock, readRange(agent, 0, 10), 8_000)
    assert.equal(agent.scheduler.ledger.total.origin, CHUNK)
    await cluster.stop()
  })

  it('of the next reader at once where the one before waited in vain for a tracker', async () => {
    const { clock, cluster, agent } = lab(true)
    const [tracker] = cluster.trackers
    assert.ok(tracker)
    tracker.stalls = true
    // Two chunks each, so that the first reader leaves before what it asked of the tracker has timed out.
    await runUntil(clock, readRange(agent, 0, 2 * CHUNK, 'open'), 8_000)
    await clock.advance(500)
    await runUntil(clock, readRange(agent, 7 * CHUNK, 8 * CHUNK, 'open'), 500)
    await cluster.stop()
  })

  it('of ranges at a tracker that had stalled long ago and delivers again, without the origin', async () => {
    const { clock, cluster, agent } = lab(true)
    const [tracker] = cluster.trackers
    assert.ok(tracker)
    const handle = await agent.scheduler.open(content.ref, { origins }, {})
    tracker.stalls = true
    const client = new AbortController()
    const impatient = (async () => {
      for await (const _ of handle.read({ start: 0, end: 10 }, 'range', { signal: client.signal }));
    })()
    await clock.advance(1_500)
    client.abort()
    await assert.rejects(impatient, { name: 'AbortError' })
    tracker.stalls = false
    await clock.advance(60_000)
    const first = readRange(agent, 0, 10)
    await clock.advance(3)
    const second = readRange(agent, 5 * CHUNK, 5 * CHUNK + 10)
    await runUntil(clock, Promise.all([first, second]), 5_000)
    assert.equal(agent.scheduler.ledger.total.origin, 0)
    handle.close()
    await cluster.stop()
  })

  it('of a blob without bytes that no store keeps', async () => {
    const { clock, cluster, agent } = lab()
    agent.store.open = async () => {
      throw new ShoalError('no room', { code: 'STORE_FULL', blame: 'local', retryable: true })
    }
    const handle = await agent.scheduler.open(empty.ref, { origins }, {})
    await runUntil(
      clock,
      handle.complete('whole', () => undefined, {}),
      1_000,
    )
    await settle()
    assert.equal(handle.isComplete, false)
    handle.close()
    await cluster.stop()
  })

  it('of a reader whose disk cannot say whether it has the same chunk already', async () => {
    const { clock, cluster, agent } = lab(true)
    spoilStore(agent, (blob) => {
      blob.adopt = async () => {
        throw new ShoalError('disk broken', { code: 'STORE_FAILED', blame: 'local', retryable: true })
      }
    })
    await runUntil(clock, cluster.trackers[0]?.pull(content) ?? Promise.resolve(0), 10_000)
    await runUntil(clock, readRange(agent, 0, 10), 2_000)
    assert.deepEqual(agent.scheduler.ledger.total, { peers: 0, tracker: CHUNK, origin: 0, store: 0 })
    await cluster.stop()
  })

  it('of a client that leaves while the whole blob is checked', async () => {
    const { clock, cluster, agent } = lab()
    spoilStore(agent, (blob) => {
      blob.verifyWhole = async (options) => {
        await new Promise((_, reject) => options?.signal?.addEventListener('abort', reject))
        return false
      }
    })
    const client = new AbortController()
    const handle = await agent.scheduler.open(content.ref, { origins }, {})
    const completing = handle.complete('whole', () => undefined, { signal: client.signal })
    await clock.advance(1_000)
    client.abort()
    await assert.rejects(runUntil(clock, completing, 1_000), { name: 'AbortError' })
    handle.close()
    await cluster.stop()
  })

  it('of a reader that comes to its next chunk after the scheduler has stopped', async () => {
    const { clock, cluster, agent } = lab()
    const handle = await agent.scheduler.open(content.ref, { origins }, {})
    await cluster.stop()
    const reading = (async () => {
      for await (const _ of handle.read({ start: 0, end: 10 }, 'range', {}));
    })()
    await assert.rejects(runUntil(clock, reading, 1_000), { code: 'DOWNLOAD_CLOSED' })
  })

  it('of a client that has no patience for a store which does not open', async () => {
    const { clock, cluster, agent } = lab()
    const { promise, resolve } = Promise.withResolvers<void>()
    const open = agent.store.open.bind(agent.store)
    agent.store.open = async (ref) => {
      await promise
      return await open(ref)
    }
    const client = new AbortController()
    const opening = agent.scheduler.open(content.ref, { origins }, { signal: client.signal })
    await settle()
    client.abort()
    await assert.rejects(runUntil(clock, opening, 1_000), { name: 'AbortError' })
    resolve()
    await clock.advance(31_000)
    assert.equal(agent.scheduler.find(content.ref.digest), undefined, 'nobody uses it, so its blob is let go')
    await cluster.stop()
  })

  it('of a reader of a whole blob that has lost a chunk to its disk, with the help of the swarm', async () => {
    const { clock, cluster, agent } = lab(true)
    await runUntil(clock, agent.pull(content), 10_000)
    await clock.advance(60_000)
    const lost = new Set<number>()
    spoilStore(agent, (blob) => {
      const [has, write] = [blob.has.bind(blob), blob.write.bind(blob)]
      blob.has = (chunk) => !lost.has(chunk) && has(chunk)
      blob.write = async (chunk, ...rest) => {
        lost.delete(chunk)
        await write(chunk, ...rest)
      }
    })
    const handle = await agent.scheduler.open(content.ref, { origins }, {})
    const blob = agent.scheduler.find(content.ref.digest)?.blob
    assert.ok(blob?.isComplete)
    await clock.advance(5_000)
    lost.add(3)
    Object.assign(blob, { isComplete: false })
    cluster.isOriginDown = true
    await runUntil(clock, readRange(agent, 3 * CHUNK, 4 * CHUNK), 5_000)
    handle.close()
    await cluster.stop()
  })
})
