import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rankByRendezvous } from '../../../src/scheduler/origin-duty.ts'
import { PeerDuty } from '../../../src/scheduler/peer-duty.ts'

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
    for (let chunk = 0; chunk < 400; chunk++) {
      const holder = duty.holderOf(chunk, members)
      const remaining = members.filter((member) => member !== 'c')
      if (holder !== 'c') assert.equal(duty.holderOf(chunk, remaining), holder)
      else assert.notEqual(duty.holderOf(chunk, remaining), undefined)
    }
  })

  it('among agents gives everybody a share and nobody a say in the order of names', () => {
    const duty = new PeerDuty('sha256:1')
    const holders = Array.from({ length: 400 }, (_, chunk) => duty.holderOf(chunk, members))
    for (const member of members) assert.ok(holders.filter((holder) => holder === member).length > 20)
    assert.deepEqual(
      holders,
      holders.map((_, chunk) => duty.holderOf(chunk, members.toReversed())),
    )
    assert.equal(duty.holderOf(0, []), undefined)
  })
})
