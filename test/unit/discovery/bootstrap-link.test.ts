import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BootstrapLink } from '../../../src/discovery/bootstrap-link.ts'
import { discoveryMetrics } from '../../../src/discovery/metrics.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { FakeDiscoveryNode } from '../../support/fake-discovery-node.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'

function setUp(): { node: FakeDiscoveryNode; clock: VirtualClock; link: BootstrapLink } {
  const node = new FakeDiscoveryNode()
  const clock = new VirtualClock()
  const metrics = discoveryMetrics(new Metrics())
  const link = new BootstrapLink(
    { id: 'hub', addresses: [] },
    { node, clock, metrics, random: () => 0, logger: silentLogger() },
  )
  node.onPeerConnected(() => link.onConnected())
  node.onPeerDisconnected(() => link.onDisconnected())
  return { node, clock, link }
}

describe('bootstrap link', () => {
  it('dials with growing waits until it is connected, then rests', async () => {
    const { node, clock, link } = setUp()
    link.start()
    await clock.advance(3_400)
    assert.equal(node.dials.length, 3)
    node.reachable.add('hub')
    await clock.advance(100)
    assert.equal(node.dials.length, 4)
    await clock.advance(3_600_000)
    assert.equal(node.dials.length, 4)
    assert.equal(clock.pendingCount, 0)
  })

  it('never waits longer than half a minute', async () => {
    const { node, clock, link } = setUp()
    link.start()
    await clock.advance(600_000)
    const before = node.dials.length
    await clock.advance(30_000)
    assert.equal(node.dials.length, before + 1)
  })

  it('dials again soon after a connection that lasted is lost', async () => {
    const { node, clock, link } = setUp()
    node.reachable.add('hub')
    link.start()
    await clock.advance(60_000)
    node.lose('hub')
    await clock.advance(500)
    assert.ok(node.isConnected('hub'))
  })

  it('backs off from a peer that takes the connection and drops it', async () => {
    const { node, clock, link } = setUp()
    node.reachable.add('hub')
    node.onPeerConnected(() => queueMicrotask(() => node.lose('hub')))
    link.start()
    await clock.advance(120_000)
    assert.ok(node.dials.length < 12, `${node.dials.length} dials in two minutes`)
  })

  it('leaves it to the other end when that connects first', async () => {
    const { node, clock, link } = setUp()
    link.start()
    await settle()
    node.join('hub')
    await clock.advance(60_000)
    assert.equal(node.dials.length, 1)
  })

  it('dials no more once stopped', async () => {
    const { node, clock, link } = setUp()
    link.start()
    await settle()
    await link.stop()
    await clock.advance(60_000)
    assert.equal(node.dials.length, 1)
    assert.equal(clock.pendingCount, 0)
  })
})
