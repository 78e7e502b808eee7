import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { Discovery, InvalidBootstrapAddressError } from '../../../src/discovery/index.ts'
import { generateIdentity, peerIdOf } from '../../../src/p2p/index.ts'
import type { ContentRouter } from '../../../src/scheduler/ports.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { FakeDiscoveryNode } from '../../support/fake-discovery-node.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'

function create(node: FakeDiscoveryNode, bootstrapAddresses: readonly string[], metrics = new Metrics()): Discovery {
  const components = { node, metrics, clock: new VirtualClock(), random: () => 0, logger: silentLogger() }
  return new Discovery({ bootstrapAddresses }, components)
}

describe('discovery', () => {
  it('is a content router for the scheduler', () => {
    const router: ContentRouter = create(new FakeDiscoveryNode(), [])
    assert.ok(router)
  })

  it('refuses a bootstrap address without a PeerId', () => {
    for (const address of ['/ip4/10.0.0.1/tcp/4001', 'tracker:4001', '']) {
      assert.throws(() => create(new FakeDiscoveryNode(), [address]), InvalidBootstrapAddressError)
    }
  })

  it('dials each configured peer once with all its addresses, starts without them, and counts who is connected', async () => {
    const id = peerIdOf(await generateIdentity())
    const node = new FakeDiscoveryNode()
    const metrics = new Metrics()
    const discovery = create(node, [`/ip4/10.0.0.1/tcp/1/p2p/${id}`, `/dns4/tracker/tcp/1/p2p/${id}`], metrics)
    node.reachable.add(id)
    await discovery.start()
    await settle()
    assert.deepEqual(node.dials, [id])
    assert.match(await metrics.render(), /^shoal_discovery_connected_peers 1$/m)
    await discovery.stop()
  })

  it('drops the local record of a provider that is reported dead', async () => {
    const node = new FakeDiscoveryNode()
    const discovery = create(node, [])
    await discovery.start()
    discovery.reportDead(digestOf(Buffer.from('layer')), 'gone')
    await discovery.stop()
    assert.deepEqual(node.providers.forgotten, ['gone'])
  })
})
