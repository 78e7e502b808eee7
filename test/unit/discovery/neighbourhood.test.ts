import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Neighbourhood } from '../../../src/discovery/neighbourhood.ts'
import { silentLogger } from '../../../src/telemetry/index.ts'
import { FakeDiscoveryNode } from '../../support/fake-discovery-node.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

function setUp(): { node: FakeDiscoveryNode; clock: VirtualClock; neighbourhood: Neighbourhood } {
  const node = new FakeDiscoveryNode()
  const clock = new VirtualClock()
  const neighbourhood = new Neighbourhood({ node, clock, logger: silentLogger() })
  node.onPeerConnected(() => neighbourhood.onConnected())
  node.onPeerDisconnected(() => neighbourhood.onDisconnected())
  return { node, clock, neighbourhood }
}

describe('neighbourhood', () => {
  it('looks around a few times after the first connection, and not for each further one', async () => {
    const { node, clock, neighbourhood } = setUp()
    neighbourhood.start()
    await clock.advance(60_000)
    assert.equal(node.lookCount, 0)
    node.join('a')
    await clock.advance(600)
    node.join('b')
    assert.equal(node.lookCount, 1)
    await clock.advance(600_000)
    assert.equal(node.lookCount, 4)
    node.join('c')
    node.lose('a')
    await clock.advance(600_000)
    assert.equal(node.lookCount, 4)
  })

  it('begins anew after it was alone, and with who was there before it started', async () => {
    const { node, clock, neighbourhood } = setUp()
    node.join('a')
    neighbourhood.start()
    await clock.advance(60_000)
    node.lose('a')
    await clock.advance(60_000)
    assert.equal(node.lookCount, 4)
    node.join('b')
    await clock.advance(60_000)
    assert.equal(node.lookCount, 8)
  })

  it('looks no more once stopped', async () => {
    const { node, clock, neighbourhood } = setUp()
    node.join('a')
    await clock.advance(600)
    await neighbourhood.stop()
    await clock.advance(60_000)
    assert.equal(node.lookCount, 1)
    assert.equal(clock.pendingCount, 0)
  })
})
