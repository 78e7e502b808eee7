import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedCluster } from '../../support/simulation/cluster.ts'
import { runUntil } from '../../support/simulation/run.ts'
import { SimulatedContent } from '../../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const content = SimulatedContent.real(
  'layer',
  Uint8Array.from({ length: 8_000 }, (_, i) => i % 251),
  1_000,
)
const other = SimulatedContent.real('another layer', new Uint8Array(1_000), 1_000)
const origins = [{ namespace: 'origin', repository: 'app' }]

function trackerAlone() {
  const clock = new VirtualClock()
  const rates = { nodeBytesPerSecond: 100_000, originBytesPerSecond: 100_000 }
  const cluster = new SimulatedCluster({ clock, agents: 0, contents: [content, other], ...rates })
  const [tracker] = cluster.trackers
  assert.ok(tracker?.seeder)
  return { clock, cluster, tracker, seeder: tracker.seeder }
}

describe('the tracker seeder', () => {
  it('fetches a chunk that a reader waits for before the rest', async () => {
    const { clock, cluster, tracker, seeder } = trackerAlone()
    seeder.noteWanted(content.ref, origins)
    assert.equal(await runUntil(clock, seeder.fetch(content.ref, 6, {}), 1_000), true)
    assert.equal(tracker.store.find(content.ref.digest)?.heldCount, 1)
    await cluster.stop()
  })

  it('fetches nothing outside the blob', async () => {
    const { clock, cluster, seeder } = trackerAlone()
    seeder.noteWanted(content.ref, origins)
    assert.equal(await runUntil(clock, seeder.fetch(content.ref, 8, {}), 1_000), false)
    assert.equal(cluster.originBytes, 0)
    await cluster.stop()
  })

  it('lacks a blob of which nobody said where it is', async () => {
    const { clock, cluster, seeder } = trackerAlone()
    const taken = await runUntil(clock, seeder.take('agent', content.ref, {}), 60_000)
    assert.ok(taken === 'lacks' || (typeof taken === 'object' && taken.busyMs > 0))
    assert.equal(cluster.originBytes, 0)
    await cluster.stop()
  })

  it('keeps the whole blob after one want, reading the origin once', async () => {
    const { clock, cluster, tracker, seeder } = trackerAlone()
    seeder.noteWanted(content.ref, origins)
    assert.equal(await runUntil(clock, seeder.take('agent', content.ref, {}), 1_000), 0)
    await clock.advance(1_000)
    assert.equal(tracker.store.find(content.ref.digest)?.heldCount, 8)
    assert.equal(cluster.originBytes, content.ref.sizeBytes)
    await cluster.stop()
  })

  it('lets go of a blob that nobody asked for in a minute', async () => {
    const { clock, cluster, tracker, seeder } = trackerAlone()
    seeder.noteWanted(content.ref, origins)
    await runUntil(clock, seeder.take('agent', content.ref, {}), 1_000)
    await clock.advance(61_000)
    await clock.advance(31_000)
    assert.equal(tracker.scheduler.find(content.ref.digest), undefined)
    await cluster.stop()
  })

  it('lets go of what nobody asks for when the store has no room for another blob', async () => {
    const { clock, cluster, tracker, seeder } = trackerAlone()
    seeder.noteWanted(content.ref, origins)
    await runUntil(clock, seeder.take('agent', content.ref, {}), 1_000)
    await clock.advance(1_000)
    const openAnother = async () => (await tracker.scheduler.open(other.ref, { origins }, {})).close()
    const open = tracker.store.open.bind(tracker.store)
    tracker.store.open = async (ref) => {
      if (ref === other.ref) throw new Error('no room')
      return await open(ref)
    }
    await runUntil(clock, openAnother(), 1_000)
    assert.ok(tracker.scheduler.find(content.ref.digest), 'asked for a second ago')
    await clock.advance(40_000)
    await runUntil(clock, openAnother(), 1_000)
    assert.equal(tracker.scheduler.find(content.ref.digest), undefined)
    await cluster.stop()
  })

  it('survives a blob that cannot be opened, and opens it for the next who wants it', async () => {
    const { clock, cluster, tracker, seeder } = trackerAlone()
    const open = tracker.scheduler.open.bind(tracker.scheduler)
    tracker.scheduler.open = async () => {
      throw new Error('not now')
    }
    seeder.noteWanted(content.ref, origins)
    await assert.rejects(seeder.take('agent', content.ref, {}), /not now/)
    tracker.scheduler.open = open
    await clock.advance(61_000)
    assert.equal(await runUntil(clock, seeder.take('agent', content.ref, {}), 1_000), 0)
    await cluster.stop()
  })
})
