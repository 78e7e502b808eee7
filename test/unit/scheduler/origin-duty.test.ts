import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rankByRendezvous } from '../../../src/scheduler/origin-duty.ts'
import { MAX_READERS, PeerDuty } from '../../../src/scheduler/peer-duty.ts'

const members = ['a', 'b', 'c', 'd', 'e']
const keys = Array.from({ length: 200 }, (_, i) => `sha256:${i}`)

describe('origin duty', () => {
  it('ranks the same members the same way in whatever order they are named', () => {
    for (const key of keys.slice(0, 20)) {
      assert.deepEqual(rankByRendezvous(key, members), rankByRendezvous(key, members.toReversed()))
    }
  })

  it('spreads blobs over all members', () => {
    const counts = new Map<string, number>()
    for (const key of keys) {
      const [first = ''] = rankByRendezvous(key, members)
      counts.set(first, (counts.get(first) ?? 0) + 1)
    }
    for (const member of members) assert.ok((counts.get(member) ?? 0) > 20, `${member}: ${counts.get(member)}`)
  })

  it('moves only the blobs of the member that left, each to its next', () => {
    const remaining = members.filter((member) => member !== 'c')
    for (const key of keys) {
      const ranked = rankByRendezvous(key, members)
      assert.deepEqual(
        rankByRendezvous(key, remaining),
        ranked.filter((member) => member !== 'c'),
      )
    }
  })

  it('among agents moves only the stripes of the one that left', () => {
    const duty = new PeerDuty('sha256:0')
    const remaining = members.filter((member) => member !== 'c')
    const before = stripes.map((stripe) => orderOf(duty, members, stripe))
    const after = stripes.map((stripe) => orderOf(duty, remaining, stripe))
    assert.deepEqual(
      after,
      before.map((order) => order.filter((member) => member !== 'c')),
    )
  })

  it('among agents gives everybody a share and nobody a say in the order of names', () => {
    const duty = new PeerDuty('sha256:1')
    const firsts = stripes.map((stripe) => orderOf(duty, members, stripe)[0])
    for (const member of members) assert.ok(firsts.filter((first) => first === member).length > 5)
    assert.deepEqual(
      firsts,
      stripes.map((stripe) => orderOf(duty, members.toReversed(), stripe)[0]),
    )
  })

  it('of a crowd gives duties only to the few nearest to the blob', () => {
    const crowd = Array.from({ length: 200 }, (_, i) => `agent-${i}`)
    const readers = new PeerDuty('sha256:2').readersAmong(crowd)
    assert.deepEqual(readers, rankByRendezvous('sha256:2', crowd).slice(0, MAX_READERS))
  })
})

const stripes = Array.from({ length: 100 }, (_, stripe) => stripe)

function orderOf(duty: PeerDuty, among: readonly string[], stripe: number): readonly string[] {
  duty.readersAmong(among)
  return duty.orderOf(stripe)
}
