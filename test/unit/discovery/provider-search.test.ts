import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf, type PeerRef } from '../../../src/core/index.ts'
import { DeadProviders, REPORT_LIFE_MS } from '../../../src/discovery/dead-providers.ts'
import { discoveryMetrics } from '../../../src/discovery/metrics.ts'
import { ProviderSearch } from '../../../src/discovery/provider-search.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { FakeDiscoveryNode, type FakeWalk } from '../../support/fake-discovery-node.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'

const layer = digestOf(Buffer.from('layer'))

interface Setup {
  readonly node: FakeDiscoveryNode
  readonly clock: VirtualClock
  readonly dead: DeadProviders
  readonly search: ProviderSearch
  readonly walk: (number: number) => FakeWalk
}

function setUp(): Setup {
  const node = new FakeDiscoveryNode()
  const clock = new VirtualClock()
  const dead = new DeadProviders(clock)
  const metrics = discoveryMetrics(new Metrics())
  const search = new ProviderSearch({ node, clock, dead, metrics, logger: silentLogger() })
  const walk = (number: number): FakeWalk => {
    const found = node.providers.walks[number]
    if (found === undefined) throw new Error(`no walk ${number}`)
    return found
  }
  return { node, clock, dead, search, walk }
}

/** Reads all peers in the background into the returned list. */
function gather(peers: AsyncIterable<PeerRef>): { ids: string[]; done: Promise<void> } {
  const ids: string[] = []
  const read = async (): Promise<void> => {
    for await (const peer of peers) ids.push(peer.id)
  }
  return { ids, done: read() }
}

describe('provider search', () => {
  it('yields each other peer once, as it is found', async () => {
    const { search, node, walk } = setUp()
    node.banned.add('banned')
    const { ids, done } = gather(search.find(layer))
    await settle()
    walk(0).find('a', 'self', 'banned', 'a')
    await settle()
    assert.deepEqual(ids, ['a'])
    walk(0).find('b')
    walk(0).end()
    await done
    assert.deepEqual(ids, ['a', 'b'])
  })

  it('makes one walk for all who ask at once, and shows each all of it', async () => {
    const { search, node, walk } = setUp()
    const first = gather(search.find(layer))
    await settle()
    walk(0).find('a')
    await settle()
    const second = gather(search.find(layer))
    await settle()
    walk(0).find('b')
    walk(0).end()
    await Promise.all([first.done, second.done])
    assert.deepEqual(
      [first.ids, second.ids],
      [
        ['a', 'b'],
        ['a', 'b'],
      ],
    )
    assert.equal(node.providers.walks.length, 1)
  })

  it('remembers what it found for seconds, and that it found nothing for one', async () => {
    const { search, node, clock, walk } = setUp()
    const found = gather(search.find(layer))
    await settle()
    walk(0).find('a')
    walk(0).end()
    await found.done
    await clock.advance(2_900)
    await gather(search.find(layer)).done
    assert.equal(node.providers.walks.length, 1)
    await clock.advance(200)
    const none = gather(search.find(layer))
    await settle()
    walk(1).end()
    await none.done
    await clock.advance(1_000)
    void gather(search.find(layer))
    await settle()
    assert.equal(node.providers.walks.length, 3)
    await search.stop()
  })

  it('ends a walk at its deadline, with twenty peers, or when nobody reads any more', async () => {
    const { search, clock, walk } = setUp()
    const late = gather(search.find(layer))
    await clock.advance(5_000)
    await late.done
    assert.ok(walk(0).signal?.aborted)

    const many = gather(search.find(digestOf(Buffer.from('many'))))
    await settle()
    walk(1).find(...Array.from({ length: 30 }, (_, index) => `peer-${index}`))
    await many.done
    assert.equal(many.ids.length, 20)

    const seen: string[] = []
    for await (const peer of readWith(search.find(digestOf(Buffer.from('left'))), () => walk(2).find('a'))) {
      seen.push(peer.id)
      break
    }
    await settle()
    assert.deepEqual(seen, ['a'])
    assert.ok(walk(2).signal?.aborted)
    assert.equal(clock.pendingCount, 0)
  })

  it('walks anew for who comes after the last reader has left early', async () => {
    const { search, node, walk } = setUp()
    const controller = new AbortController()
    const left = gather(search.find(layer, { signal: controller.signal }))
    await settle()
    controller.abort()
    await assert.rejects(left.done, { name: 'AbortError' })
    const after = gather(search.find(layer))
    await settle()
    assert.equal(node.providers.walks.length, 2)
    walk(1).find('a')
    walk(1).end()
    await after.done
    assert.deepEqual(after.ids, ['a'])
  })

  it('leaves no signal of a walk behind that could still fire', async () => {
    const { search, walk } = setUp()
    const found = gather(search.find(layer))
    await settle()
    walk(0).end()
    await found.done
    await settle()
    assert.ok(walk(0).signal?.aborted)
  })

  it('throws the reason to the reader whose signal fires, and goes on for the others', async () => {
    const { search, walk } = setUp()
    const controller = new AbortController()
    const leaving = gather(search.find(layer, { signal: controller.signal }))
    const staying = gather(search.find(layer))
    await settle()
    controller.abort()
    await assert.rejects(leaving.done, { name: 'AbortError' })
    walk(0).find('a')
    walk(0).end()
    await staying.done
    assert.deepEqual(staying.ids, ['a'])
  })

  it('leaves out a provider reported dead, also from a walk of before, until the report is old', async () => {
    const { search, clock, dead, walk } = setUp()
    const before = gather(search.find(layer))
    await settle()
    walk(0).find('a', 'b')
    walk(0).end()
    await before.done
    dead.report(layer, 'a')
    const after = gather(search.find(layer))
    await after.done
    assert.deepEqual(after.ids, ['b'])
    await clock.advance(REPORT_LIFE_MS)
    const later = gather(search.find(layer))
    await settle()
    walk(1).find('a')
    walk(1).end()
    await later.done
    assert.deepEqual(later.ids, ['a'])
  })

  it('makes sixteen walks at a time and ends those that wait when it stops', async () => {
    const { search, node } = setUp()
    const searches = Array.from({ length: 20 }, (_, index) => gather(search.find(digestOf(Buffer.from(`${index}`)))))
    await settle()
    assert.equal(node.providers.walks.length, 16)
    await search.stop()
    await Promise.all(searches.map(({ done }) => done))
    assert.equal(node.providers.walks.length, 16)
  })
})

/** Calls `onStart` once the first item is waited for. */
async function* readWith<T>(source: AsyncIterable<T>, onStart: () => void): AsyncGenerator<T> {
  setImmediate(onStart)
  yield* source
}
