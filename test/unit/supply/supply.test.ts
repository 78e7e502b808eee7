import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PeerRef } from '../../../src/core/index.ts'
import type { Publisher } from '../../../src/exchange/index.ts'
import { SimulatedCluster } from '../../support/simulation/cluster.ts'
import { runUntil } from '../../support/simulation/run.ts'
import { SimulatedContent } from '../../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const content = SimulatedContent.real(
  'layer',
  Uint8Array.from({ length: 8_000 }, (_, i) => i % 251),
  1_000,
)
const { ref } = content
const other = SimulatedContent.real('another layer', new Uint8Array(1_000), 1_000)
const origins = [{ namespace: 'origin', repository: 'app' }]

/** What a follower was told, in order. */
class RecordedPublisher implements Publisher {
  readonly bits: Uint8Array[] = []
  readonly chunks: number[] = []
  readonly named: string[] = []
  isGone = false

  bitfield(bits: Uint8Array): void {
    this.bits.push(bits)
  }

  have(chunks: readonly number[]): void {
    this.chunks.push(...chunks)
  }

  peers(peers: readonly PeerRef[]): void {
    this.named.push(...peers.map(({ id }) => id))
  }

  gone(): void {
    this.isGone = true
  }
}

function remote(id: string) {
  return { id, addresses: [], role: 'agent' as const, zone: '' }
}

function lab(hasTracker = false) {
  const clock = new VirtualClock()
  const rates = { nodeBytesPerSecond: 100_000, originBytesPerSecond: 100_000 }
  const cluster = new SimulatedCluster({ clock, agents: 1, contents: [content, other], hasTracker, ...rates })
  const agent = cluster.agents[0]
  assert.ok(agent)
  return { clock, cluster, agent, supply: agent.supply }
}

describe('the supply', () => {
  it('of an agent refuses followers and readers of what it never heard of, or of another size', async () => {
    const { clock, cluster, agent, supply } = lab()
    assert.equal(supply.follow(remote('a'), ref, [], new RecordedPublisher()), undefined)
    assert.equal(await supply.read('a', ref, 0, 'soon', {}), 'lacks')
    await runUntil(clock, agent.pull(content), 10_000)
    const larger = { ...ref, sizeBytes: ref.sizeBytes + 1 }
    assert.equal(supply.follow(remote('a'), larger, [], new RecordedPublisher()), undefined)
    assert.equal(await supply.read('a', larger, 0, 'soon', {}), 'lacks')
    await cluster.stop()
  })

  it('refuses followers that cut the blob in another way, and names peers to them', async () => {
    const { clock, cluster, agent, supply } = lab()
    await runUntil(clock, agent.pull(content), 10_000)
    supply.follow(remote('a'), ref, [], new RecordedPublisher())
    const publisher = new RecordedPublisher()
    assert.equal(supply.follow(remote('b'), ref, [], publisher, '0123456789abcdef'), undefined)
    assert.deepEqual(publisher.named, ['a'])
    assert.equal(publisher.bits.length, 0)
    await cluster.stop()
  })

  it('tells a follower what it holds, and then each chunk as it arrives', async () => {
    const { clock, cluster, agent, supply } = lab()
    const pulling = agent.pull(content)
    await clock.advance(250)
    const publisher = new RecordedPublisher()
    supply.follow(remote('a'), ref, [], publisher)
    await runUntil(clock, pulling, 10_000)
    await clock.advance(1)
    assert.equal(publisher.bits.length, 1)
    const told = new Set(publisher.chunks)
    assert.equal(told.size, 8)
    await cluster.stop()
  })

  it('of a tracker says at once that it holds nothing yet', async () => {
    const { cluster } = lab(true)
    const publisher = new RecordedPublisher()
    cluster.trackers[0]?.supply.follow(remote('a'), ref, origins, publisher)
    assert.deepEqual(publisher.bits, [Uint8Array.of(0)])
    await cluster.stop()
  })

  it('introduces followers of the same blob to each other until they depart', async () => {
    const { cluster } = lab(true)
    const supply = cluster.trackers[0]?.supply
    const [first, second, third] = [new RecordedPublisher(), new RecordedPublisher(), new RecordedPublisher()]
    supply?.follow(remote('a'), ref, origins, first)
    supply?.follow(remote('b'), ref, origins, second)
    assert.deepEqual(second.named, ['a'])
    assert.deepEqual(
      supply?.alternates('b', ref).map(({ id }) => id),
      ['a'],
    )
    supply?.departed('a')
    supply?.follow(remote('c'), ref, origins, third)
    assert.deepEqual(third.named, ['b'])
    await cluster.stop()
  })

  it('gives verified chunks and lacks the others', async () => {
    const { clock, cluster, agent, supply } = lab()
    await runUntil(clock, agent.pull(content), 10_000)
    const found = await supply.read('a', ref, 3, 'soon', {})
    assert.ok(found !== 'lacks' && 'bytes' in found && typeof found.bytes === 'function')
    assert.deepEqual(Buffer.from((await found.bytes({})).bytes), Buffer.from(content.bytesOf(3)))
    assert.deepEqual(found.digest, content.digestAt(3))
    assert.equal(await supply.read('a', ref, 'any', 'soon', {}), 'lacks')
    assert.equal(await supply.read('a', ref, 99, 'soon', {}), 'lacks')
    await cluster.stop()
  })

  it('gives what only passes through memory while it is there', async () => {
    const { clock, cluster, agent, supply } = lab()
    agent.store.isFull = true
    await runUntil(clock, agent.pull(content), 10_000)
    const found = await supply.read('a', ref, 7, 'soon', {})
    assert.ok(found !== 'lacks' && 'bytes' in found && typeof found.bytes === 'function')
    assert.deepEqual(Buffer.from((await found.bytes({})).bytes), Buffer.from(content.bytesOf(7)))
    await cluster.stop()
  })

  it('gives a chunk that is on its way to the disk', async () => {
    const { clock, cluster, agent, supply } = lab()
    const disk = Promise.withResolvers<void>()
    agent.store.written = disk.promise
    const pulled = agent.pull(content)
    await clock.advance(5_000)
    const found = await supply.read('a', ref, 0, 'now', {})
    assert.ok(found !== 'lacks' && 'bytes' in found && typeof found.bytes === 'function')
    assert.deepEqual(Buffer.from((await found.bytes({})).bytes), Buffer.from(content.bytesOf(0)))
    assert.deepEqual(found.digest, content.digestAt(0))
    disk.resolve()
    await runUntil(clock, pulled, 10_000)
    await cluster.stop()
  })

  it('lets go of a blob half a minute after the last follower or reader', async () => {
    const { clock, cluster, agent, supply } = lab()
    await runUntil(clock, agent.pull(content), 10_000)
    await clock.advance(60_000)
    const pending = clock.pendingCount
    const subscription = supply.follow(remote('a'), ref, [], new RecordedPublisher())
    await clock.advance(60_000)
    subscription?.close()
    await clock.advance(20_000)
    // A read in between used to stop the timer for good, and the blob stayed pinned.
    await supply.read('b', ref, 0, 'soon', {})
    assert.equal(clock.pendingCount, pending + 1)
    await clock.advance(31_000)
    assert.equal(clock.pendingCount, pending)
    await cluster.stop()
  })

  it('lets go of a followed blob that nobody asks for when the store has no room for another one', async () => {
    const { clock, cluster, agent, supply } = lab()
    await runUntil(clock, agent.pull(content), 10_000)
    await clock.advance(60_000)
    const publisher = new RecordedPublisher()
    supply.follow(remote('a'), ref, [], publisher)
    await clock.advance(1)
    const open = agent.store.open.bind(agent.store)
    agent.store.open = async (opened) => {
      if (opened === other.ref && !publisher.isGone) throw new Error('no room')
      return await open(opened)
    }
    const openAnother = async () => (await agent.scheduler.open(other.ref, { origins }, {})).close()
    await clock.advance(1_500)
    await supply.read('a', ref, 0, 'soon', {})
    await clock.advance(1_500)
    await runUntil(clock, openAnother(), 1_000)
    assert.equal(publisher.isGone, false, 'asked for a moment ago')
    await clock.advance(31_000)
    await runUntil(clock, openAnother(), 1_000)
    assert.ok(publisher.isGone)
    assert.notEqual(supply.follow(remote('a'), ref, [], new RecordedPublisher()), undefined)
    await cluster.stop()
  })

  it('lets go of a blob that the store opened only after the last follower had left', async () => {
    const { clock, cluster, agent, supply } = lab()
    await runUntil(clock, agent.pull(content), 10_000)
    await clock.advance(60_000)
    const open = agent.store.open.bind(agent.store)
    const slow = Promise.withResolvers<void>()
    let pins = 0
    agent.store.open = async (opened) => {
      await slow.promise
      pins++
      return Object.assign(Object.create(await open(opened)), { release: () => void pins-- })
    }
    supply.follow(remote('a'), ref, [], new RecordedPublisher())?.close()
    await clock.advance(31_000)
    slow.resolve()
    await clock.advance(1)
    assert.equal(pins, 0)
    await cluster.stop()
  })

  it('tells its followers that nothing more comes when it stops', async () => {
    const { clock, cluster, agent, supply } = lab()
    await runUntil(clock, agent.pull(content), 10_000)
    const publisher = new RecordedPublisher()
    supply.follow(remote('a'), ref, [], publisher)
    await clock.advance(1)
    await cluster.stop()
    assert.ok(publisher.isGone)
  })
})
