import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defaultSettings, InFlightBudget, Scheduler } from '../../../src/scheduler/index.ts'
import { silentLogger } from '../../../src/telemetry/index.ts'
import { SimulatedCluster } from '../../support/simulation/cluster.ts'
import { runUntil } from '../../support/simulation/run.ts'
import { SimulatedContent } from '../../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const content = SimulatedContent.real('layer', new Uint8Array(4_000).fill(7), 1_000)
const origins = [{ namespace: 'origin', repository: 'app' }]

/** A scheduler alone with its origin, and what it said that it has. */
function lab() {
  const clock = new VirtualClock()
  const rates = { nodeBytesPerSecond: 100_000, originBytesPerSecond: 100_000 }
  const cluster = new SimulatedCluster({ clock, agents: 1, contents: [content], hasTracker: false, ...rates })
  const agent = cluster.agents[0]
  assert.ok(agent)
  const provided: string[] = []
  const budget = new InFlightBudget(defaultSettings.inFlightBytes)
  const scheduler = new Scheduler(
    { selfId: agent.id, settings: defaultSettings },
    {
      store: agent.store,
      layoutOf: () => content.layout,
      network: cluster.networkOf(agent),
      router: { findPeers: async function* () {}, provide: (digest) => void provided.push(digest) },
      origin: cluster.originFor(agent),
      budget,
      clock,
      random: cluster.random,
      logger: silentLogger(),
      hash: SimulatedContent.hash,
      isTrustedSigner: () => false,
      makeMap: async () => undefined,
    },
  )
  const pull = async () => {
    const handle = await scheduler.open(content.ref, { origins }, {})
    for await (const _ of handle.read({ start: 0, end: content.ref.sizeBytes }, 'whole', {}));
    handle.close()
  }
  return { clock, agent, budget, scheduler, provided, pull }
}

describe('a scheduler', () => {
  it('says that it has what the store keeps', async () => {
    const { clock, scheduler, provided, pull } = lab()
    await runUntil(clock, pull(), 10_000)
    assert.deepEqual([...new Set(provided)], [content.ref.digest])
    await scheduler.stop()
  })

  it('says nothing of what only passes through memory', async () => {
    const { clock, agent, scheduler, provided, pull } = lab()
    agent.store.isFull = true
    await runUntil(clock, pull(), 10_000)
    assert.deepEqual(provided, [])
    await scheduler.stop()
  })

  it('lets a reader have what the disk has not taken yet, and says that it is complete when it has', async () => {
    const { clock, agent, scheduler, pull } = lab()
    const blob = await agent.store.open(content.ref)
    const [disk, write] = [Promise.withResolvers<void>(), blob.write.bind(blob)]
    blob.write = async (...chunk) => {
      await disk.promise
      await write(...chunk)
    }
    const handle = await scheduler.open(content.ref, { origins }, {})
    const completing = handle.complete('whole', () => undefined, {})
    let readBytes = 0
    const read = async () => {
      for await (const { bytes } of handle.lend({ start: 0, end: 500 }, 'range', {})) readBytes += bytes.byteLength
    }
    await runUntil(clock, read(), 10_000)
    assert.deepEqual([readBytes, blob.heldCount, handle.isComplete], [500, 0, false])
    disk.resolve()
    await runUntil(clock, Promise.all([completing, pull()]), 10_000)
    assert.deepEqual([blob.heldCount, handle.isComplete], [4, true])
    handle.close()
    await scheduler.stop()
  })

  it('reads ahead of one who reads on, and not of one request for several ranges', async () => {
    const ranges = [
      { start: 0, end: 1_000 },
      { start: 1_000, end: 1_500 },
      { start: 1_500, end: 1_900 },
    ]
    for (const isOneRequest of [false, true]) {
      const { clock, scheduler } = lab()
      const read = async () => {
        let handle = await scheduler.open(content.ref, { origins }, {})
        for (const [index, range] of ranges.entries()) {
          if (!isOneRequest && index > 0) handle = await scheduler.open(content.ref, { origins }, {})
          for await (const _ of handle.read(range, 'range', {}));
          if (!isOneRequest) handle.close()
        }
      }
      await runUntil(clock, read(), 10_000)
      await clock.advance(1_000)
      const [download] = scheduler.downloads()
      assert.equal(download?.heldBytes, isOneRequest ? 2_000 : 4_000)
      assert.equal(download?.readers, 0)
      await scheduler.stop()
    }
  })

  it('counts the chunk that an origin read is putting together against the memory of all downloads', async () => {
    const { clock, budget, scheduler, pull } = lab()
    const pulling = pull()
    await clock.advance(25)
    // One read at its last chunk, the next one, which overlaps with it, and the chunk before, which is still in memory.
    assert.equal(budget.freeBytes, defaultSettings.inFlightBytes - 3 * 1_000)
    await runUntil(clock, pulling, 10_000)
    await clock.advance(1_000)
    assert.equal(budget.freeBytes, defaultSettings.inFlightBytes)
    await scheduler.stop()
  })

  it('tells of readers of parts, of whoever has to wait, and how many do', async () => {
    const { clock, scheduler, pull } = lab()
    const told: string[] = []
    const activity = () => scheduler.activity
    scheduler.listen({
      readLazily: ({ range, isComplete }) => told.push(`${range.start}-${range.end} ${isComplete ? 'whole' : 'part'}`),
      clientWaits: () => told.push('waits'),
    })
    const read = async (start: number) => {
      const handle = await scheduler.open(content.ref, { origins }, {})
      for await (const piece of handle.lend({ start, end: start + 10 }, 'range', {})) piece.release()
      handle.close()
    }
    assert.deepEqual(activity(), { lazyWaiting: 0, lastLazyWaitMs: undefined, pulls: 0 })
    const reading = read(0)
    await clock.advance(5)
    assert.deepEqual(activity(), { lazyWaiting: 1, lastLazyWaitMs: clock.now(), pulls: 0 })
    await runUntil(clock, reading, 10_000)
    const { lazyWaiting, lastLazyWaitMs } = activity()
    assert.ok(lazyWaiting === 0 && lastLazyWaitMs !== undefined && lastLazyWaitMs < clock.now())
    await runUntil(clock, read(500), 10_000)
    assert.deepEqual(told, ['0-10 part', 'waits', '500-510 part'])
    const pulling = pull()
    await clock.advance(5)
    assert.equal(activity().pulls, 1)
    await runUntil(clock, pulling, 10_000)
    assert.equal(activity().pulls, 0)
    await runUntil(clock, read(0), 10_000)
    assert.equal(told.at(-1), '0-10 whole')
    await scheduler.stop()
  })

  it('lets what was begun for the background come after its demand has ended, and begins nothing more', async () => {
    const { clock, agent, scheduler } = lab()
    const handle = await scheduler.open(content.ref, { origins }, {})
    const ending = new AbortController()
    const completing = handle.complete('background', () => undefined, { signal: ending.signal })
    await clock.advance(5)
    ending.abort()
    await assert.rejects(completing, { name: 'AbortError' })
    await clock.advance(5_000)
    const blob = await agent.store.open(content.ref)
    // One origin read; it ends after the chunk that was coming in.
    assert.equal(blob.heldCount, 1)
    handle.close()
    await scheduler.stop()
  })

  it('says for each chunk that a client is given from which level it came; small ranges of one cost one fetch', async () => {
    const { clock, agent, scheduler } = lab()
    const served: string[] = []
    scheduler.listen({
      served: (level, bytes, tookMs) => served.push(`${bytes} of ${level}, ${tookMs > 0 ? 'late' : 'at once'}`),
    })
    const read = async (start: number, end: number) => {
      const handle = await scheduler.open(content.ref, { origins }, {})
      for await (const piece of handle.lend({ start, end }, 'range', {})) piece.release()
      handle.close()
    }
    await runUntil(clock, Promise.all([read(0, 10), read(10, 30)]), 10_000)
    for (let at = 30; at < 130; at += 50) await runUntil(clock, read(at, at + 50), 10_000)
    assert.deepEqual(served.splice(0), [
      '10 of origin, late',
      '20 of origin, late',
      '50 of memory, at once',
      '50 of memory, at once',
    ])
    assert.deepEqual([agent.originRequests, scheduler.ledger.total.origin], [1, 1_000])
    await clock.advance(2_000)
    await runUntil(clock, read(900, 1_100), 10_000)
    assert.deepEqual(served, ['100 of disk, at once', '100 of origin, late'])
    await scheduler.stop()
  })
})
