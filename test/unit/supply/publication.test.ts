import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PeerRole } from '../../../src/core/index.ts'
import type { Publisher } from '../../../src/exchange/index.ts'
import { Publication } from '../../../src/supply/publication.ts'
import { SimulatedContent } from '../../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const { ref } = new SimulatedContent('layer', 100)
const DIGEST = new Uint8Array(32)

/** A publication of chunks of which some others hold `copies`. */
function lab(copies: number) {
  const clock = new VirtualClock()
  const holders = new Set<string>()
  const publication = new Publication(ref, '', {
    isHeldBy: (peerId, chunk) => holders.has(`${peerId} ${chunk}`),
    copiesOf: () => copies,
    clock,
  })
  const follow = (id: string, role: PeerRole = 'agent') => {
    const told: number[][] = []
    const publisher: Publisher = {
      bitfield: () => undefined,
      have: (chunks) => told.push([...chunks]),
      peers: () => undefined,
      gone: () => undefined,
    }
    publication.follow({ id, role, addresses: [], zone: '' }, publisher)
    return { told, publisher }
  }
  return { clock, holders, publication, follow }
}

describe('a chunk that has come', () => {
  it('is told of at once while few hold it, but to those who do', () => {
    const { publication, holders, follow } = lab(2)
    const [a, b] = [follow('a'), follow('b')]
    holders.add('b 7')
    publication.held(7, DIGEST)
    assert.deepEqual([a.told, b.told], [[[7]], []])
  })

  it('is told of later where many hold it, with others, and not to those who have got it meanwhile', async () => {
    const { clock, publication, holders, follow } = lab(5)
    const [a, b] = [follow('a'), follow('b')]
    publication.held(1, DIGEST)
    await clock.advance(300)
    publication.held(2, DIGEST)
    assert.deepEqual([a.told, b.told], [[], []])
    for (const had of ['b 1', 'b 2', 'a 1']) holders.add(had)
    await clock.advance(1_000)
    assert.deepEqual([a.told, b.told], [[[2]], []])
    publication.held(3, DIGEST)
    await clock.advance(1_000)
    assert.deepEqual([a.told, b.told], [[[2], [3]], [[3]]])
  })

  it('is told of to trackers at once in any case, and once', async () => {
    const { clock, publication, follow } = lab(5)
    const tracker = follow('t', 'tracker')
    publication.held(1, DIGEST)
    await clock.advance(2_000)
    assert.deepEqual(tracker.told, [[1]])
  })

  it('is not told of after the end, nor to who has left', async () => {
    const { clock, publication, follow } = lab(5)
    const [a, b] = [follow('a'), follow('b')]
    publication.held(1, DIGEST)
    publication.unfollow(a.publisher)
    publication.close()
    await clock.advance(2_000)
    assert.deepEqual([a.told, b.told], [[], []])
  })
})
