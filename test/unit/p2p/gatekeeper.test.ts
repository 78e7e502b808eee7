import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Gatekeeper } from '../../../src/p2p/gatekeeper.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

describe('gatekeeper', () => {
  it('refuses a banned peer until the ban is over', async () => {
    const clock = new VirtualClock()
    const gatekeeper = new Gatekeeper({}, clock)
    gatekeeper.ban('a', 1_000)
    assert.ok(gatekeeper.refuses('a'))
    assert.ok(!gatekeeper.refuses('b'))
    await clock.advance(999)
    assert.ok(gatekeeper.isBanned('a'))
    await clock.advance(1)
    assert.ok(!gatekeeper.refuses('a'))
  })

  it('does not shorten a ban by a later, shorter one', async () => {
    const clock = new VirtualClock()
    const gatekeeper = new Gatekeeper({}, clock)
    gatekeeper.ban('a', 10_000)
    gatekeeper.ban('a', 10)
    await clock.advance(5_000)
    assert.ok(gatekeeper.isBanned('a'))
  })

  it('refuses whom the allow list does not name, as it stands at that moment', () => {
    const admitted = new Set(['a'])
    const gatekeeper = new Gatekeeper({ admit: (peerId) => admitted.has(peerId) }, new VirtualClock())
    assert.ok(!gatekeeper.refuses('a'))
    assert.ok(gatekeeper.refuses('b'))
    admitted.add('b')
    assert.ok(!gatekeeper.refuses('b'))
  })
})
