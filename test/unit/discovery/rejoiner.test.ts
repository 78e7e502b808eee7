import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { discoveryMetrics } from '../../../src/discovery/metrics.ts'
import { PeerCache } from '../../../src/discovery/peer-cache.ts'
import { Rejoiner } from '../../../src/discovery/rejoiner.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { FakeDiscoveryNode } from '../../support/fake-discovery-node.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'

function setUp(peerIds: readonly string[]): {
  node: FakeDiscoveryNode
  clock: VirtualClock
  cache: PeerCache
  rejoiner: Rejoiner
} {
  const node = new FakeDiscoveryNode()
  const clock = new VirtualClock()
  const shared = { clock, random: () => 0, logger: silentLogger() }
  const cache = new PeerCache({ file: undefined }, shared)
  for (const id of peerIds) cache.remember({ id, addresses: ['/ip4/10.0.0.1/tcp/1'] })
  const rejoiner = new Rejoiner({ ...shared, node, cache, metrics: discoveryMetrics(new Metrics()) })
  node.onPeerConnected(() => rejoiner.onConnected())
  node.onPeerDisconnected(() => rejoiner.onDisconnected())
  return { node, clock, cache, rejoiner }
}

describe('rejoiner', () => {
  it('calls a few remembered peers when it starts, and others while it is alone', async () => {
    const peerIds = Array.from({ length: 12 }, (_, index) => `peer-${index}`)
    const { node, clock, rejoiner } = setUp(peerIds)
    rejoiner.start()
    await settle()
    assert.equal(node.dials.length, 4)
    await clock.advance(20_000)
    assert.deepEqual(new Set(node.dials), new Set(peerIds))
    await rejoiner.stop()
  })

  it('rests as long as anybody is connected, and calls again when the last one is gone', async () => {
    const { node, clock, rejoiner } = setUp(['a', 'b'])
    node.reachable.add('a')
    rejoiner.start()
    await clock.advance(600_000)
    assert.deepEqual([...node.dials].toSorted(), ['a', 'b'])
    node.join('c')
    node.lose('a')
    await clock.advance(60_000)
    assert.equal(node.dials.length, 2)
    node.lose('c')
    await clock.advance(1_000)
    assert.ok(node.isConnected('a'))
    await rejoiner.stop()
  })

  it('remembers who was connected', async () => {
    const { node, clock, cache, rejoiner } = setUp([])
    rejoiner.start()
    await settle()
    node.join('a')
    node.join('b')
    await clock.advance(2_000)
    assert.equal(cache.size, 2)
    node.join('c')
    await rejoiner.stop()
    assert.equal(cache.size, 3)
    assert.equal(clock.pendingCount, 0)
  })
})
