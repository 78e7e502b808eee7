import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { BlobDirectory } from '../../../src/supply/index.ts'
import { seededRandom } from '../../support/simulation/cluster.ts'
import { peerRef } from '../../support/simulation/fake-network.ts'

const blob = digestOf(Buffer.from('blob'))
const other = digestOf(Buffer.from('other'))

function directoryOf(...ids: string[]): BlobDirectory {
  const directory = new BlobDirectory(seededRandom(1))
  for (const id of ids) directory.note(peerRef(id), blob)
  return directory
}

describe('the blob directory', () => {
  it('names different peers, never the one that asks', () => {
    const directory = directoryOf('a', 'b', 'c', 'd')
    const named = directory.sample(blob, 'a', 10).map(({ id }) => id)
    assert.deepEqual(named.toSorted(), ['b', 'c', 'd'])
    assert.equal(directory.sample(blob, '', 2).length, 2)
    assert.deepEqual(directory.sample(other, '', 2), [])
  })

  it('names everybody about as often as anybody', () => {
    const directory = directoryOf('a', 'b', 'c', 'd')
    const counts = new Map<string, number>()
    for (let i = 0; i < 400; i++) {
      for (const { id } of directory.sample(blob, '', 1)) counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    for (const id of ['a', 'b', 'c', 'd']) assert.ok((counts.get(id) ?? 0) > 60, `${id}: ${counts.get(id)}`)
  })

  it('forgets a peer for one blob, or for all when it departs', () => {
    const directory = directoryOf('a', 'b')
    directory.note(peerRef('a'), other)
    directory.forget('a', blob)
    assert.deepEqual(
      directory.sample(blob, '', 9).map(({ id }) => id),
      ['b'],
    )
    directory.forgetPeer('a')
    assert.deepEqual(directory.sample(other, '', 9), [])
    assert.equal(directory.blobCount, 1)
  })

  it('makes room for newcomers, so that the last of a large wave are named to somebody', () => {
    const directory = directoryOf(...Array.from({ length: 1_500 }, (_, i) => `peer-${i}`))
    const named = directory.sample(blob, '', 2_000).map(({ id }) => Number(id.slice('peer-'.length)))
    assert.equal(named.length, 1_000)
    assert.ok(named.includes(1_499))
    assert.ok(named.filter((i) => i >= 1_000).length > 300)
  })

  it('remembers a bounded number of peers, but always what is new of those it knows', () => {
    const directory = directoryOf(...Array.from({ length: 1_100 }, (_, i) => `peer-${i}`))
    directory.note({ id: 'peer-1099', addresses: ['/ip4/127.0.0.1/tcp/1'] }, blob)
    const all = directory.sample(blob, '', 2_000)
    assert.equal(all.length, 1_000)
    assert.deepEqual(all.find(({ id }) => id === 'peer-1099')?.addresses, ['/ip4/127.0.0.1/tcp/1'])
  })
})
