import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf, type PeerRef } from '../../../src/core/index.ts'
import { defaultSettings } from '../../../src/scheduler/index.ts'
import { rankByRendezvous } from '../../../src/scheduler/origin-duty.ts'
import { Swarm } from '../../../src/scheduler/swarm.ts'
import { TrackerHealth } from '../../../src/scheduler/tracker-health.ts'
import { silentLogger } from '../../../src/telemetry/index.ts'
import { FakeNetwork, peerRef } from '../../support/simulation/fake-network.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const settings = { ...defaultSettings, followedPeers: 3, candidatePeers: 5 }
const ref = { digest: digestOf(Buffer.from('blob')), sizeBytes: 40 }

function swarmOf(network: FakeNetwork, found: readonly PeerRef[] = []) {
  const clock = new VirtualClock()
  const news: string[] = []
  const swarm = new Swarm(
    { selfId: 'self', role: 'agent', zone: '', ref, chunkCount: 4, access: () => ({ origins: [] }), settings },
    {
      network,
      router: {
        findPeers: async function* () {
          yield* found
        },
        provide: () => undefined,
      },
      health: new TrackerHealth(),
      clock,
      logger: silentLogger(),
    },
    {
      gained: (peer, chunks) => void news.push(`${peer.id} has ${chunks.join()}`),
      left: (peer) => void news.push(`${peer.id} left`),
      changed: () => undefined,
    },
  )
  return { swarm, clock, news, ids: () => swarm.agents.map(({ id }) => id) }
}

describe('the swarm of a blob', () => {
  it('follows no more peers than its bound, but always the one nearest to the blob', async () => {
    const network = new FakeNetwork()
    const { swarm, clock, ids } = swarmOf(network)
    const named = Array.from({ length: 20 }, (_, i) => `agent-${i}`)
    const [nearest = ''] = rankByRendezvous(ref.digest, named)
    for (const id of named.filter((id) => id !== nearest)) swarm.add(peerRef(id))
    await clock.advance(1)
    const followed = ids()
    assert.deepEqual(followed.slice(0, 3), ['agent-0', 'agent-1', 'agent-2'])
    assert.ok(followed.length <= 6, followed.join())
    swarm.add(peerRef(nearest))
    await clock.advance(1)
    assert.deepEqual(ids(), [...followed, nearest])
    await swarm.close()
    assert.ok(network.followings.every(({ isClosed }) => isClosed))
  })

  it('replaces a peer that leaves', async () => {
    const network = new FakeNetwork()
    const { swarm, clock, ids, news } = swarmOf(network)
    for (let i = 0; i < 4; i++) swarm.add(peerRef(`agent-${i}`))
    await clock.advance(1)
    network.leave('agent-1')
    await clock.advance(1)
    assert.deepEqual(ids(), ['agent-0', 'agent-2', 'agent-3'])
    assert.ok(news.includes('agent-1 left'))
    await swarm.close()
  })

  it('follows back those who follow us even when it follows enough, up to twice the bound', async () => {
    const network = new FakeNetwork()
    const { swarm, clock } = swarmOf(network)
    for (let i = 0; i < 3; i++) swarm.add(peerRef(`found-${i}`))
    for (let i = 0; i < 5; i++) swarm.followBack(peerRef(`follower-${i}`))
    await clock.advance(1)
    assert.equal(swarm.agents.length, 6)
    await swarm.close()
  })

  it('takes neither itself, nor a tracker, nor the same peer twice', async () => {
    const network = new FakeNetwork(['tracker'])
    const { swarm, clock, ids } = swarmOf(network)
    for (const id of ['self', 'tracker', 'agent', 'agent']) swarm.add(peerRef(id))
    await clock.advance(1)
    assert.deepEqual(ids(), ['agent'])
    await swarm.close()
  })

  it('does not follow again whom it refused, and says so only once', async () => {
    const network = new FakeNetwork()
    const { swarm, clock, ids } = swarmOf(network)
    swarm.add(peerRef('liar'))
    await clock.advance(1)
    const [liar] = swarm.agents
    assert.ok(liar)
    assert.equal(swarm.refuse(liar), true)
    assert.equal(swarm.refuse(liar), false)
    swarm.add(peerRef('liar'))
    await clock.advance(1)
    assert.deepEqual(ids(), [])
    await swarm.close()
  })

  it('gives up a peer that cannot be reached and takes the next', async () => {
    const network = new FakeNetwork()
    network.unreachable.add('dead')
    const { swarm, clock, ids } = swarmOf(network, [peerRef('dead'), peerRef('alive')])
    swarm.start()
    await clock.advance(1)
    assert.deepEqual(ids(), ['alive'])
    assert.equal(swarm.isSearching, false)
    await swarm.close()
  })

  it('follows peers that peers name and tells what they hold', async () => {
    const network = new FakeNetwork()
    const { swarm, clock, ids, news } = swarmOf(network)
    swarm.add(peerRef('agent'))
    await clock.advance(1)
    network.open('agent')?.events.onPeers([peerRef('friend')])
    network.open('agent')?.events.onBitfield(Uint8Array.of(0b10100000))
    network.open('agent')?.events.onHave([1], [])
    await clock.advance(1)
    assert.deepEqual(ids(), ['agent', 'friend'])
    assert.deepEqual(news, ['agent has 0,2', 'agent has 1'])
    await swarm.close()
  })

  it('tries a tracker again that was not there or has left, and the next one meanwhile', async () => {
    const network = new FakeNetwork(['tracker-1', 'tracker-2'])
    for (const id of ['tracker-1', 'tracker-2']) network.unreachable.add(id)
    const { swarm, clock } = swarmOf(network)
    swarm.start()
    await clock.advance(1)
    const followed = () => swarm.tracker?.id
    assert.equal(followed(), undefined)
    network.unreachable.clear()
    await clock.advance(2_000)
    assert.equal(followed(), undefined, 'a download that has no work does not try')
    swarm.review(clock.now())
    await clock.advance(1)
    const first = followed() ?? ''
    assert.ok(first.startsWith('tracker-'))
    network.unreachable.add(first)
    network.leave(first)
    assert.notEqual(followed(), first)
    await clock.advance(2_000)
    swarm.review(clock.now())
    await clock.advance(1)
    assert.ok(followed() !== undefined && followed() !== first)
    await swarm.close()
  })

  it('takes duty from a tracker that cannot seed or has gone silent', async () => {
    const { swarm, clock } = swarmOf(new FakeNetwork(['tracker']))
    swarm.start()
    await clock.advance(1)
    const tracker = swarm.duty(clock.now())
    assert.equal(tracker?.id, 'tracker')
    tracker?.begins(clock.now())
    assert.equal(swarm.duty(clock.now() + settings.trackerSilenceMs)?.id, 'tracker')
    assert.equal(swarm.duty(clock.now() + settings.trackerSilenceMs + 1), undefined)
    if (tracker !== undefined) tracker.cannotSeed = true
    assert.equal(swarm.duty(clock.now()), undefined)
    await swarm.close()
  })

  it('knows enough once its tracker has reported, or when its patience has ended', async () => {
    const network = new FakeNetwork(['tracker'])
    const { swarm, clock } = swarmOf(network)
    swarm.start()
    await clock.advance(1)
    assert.equal(swarm.isSettled(clock.now()), false)
    assert.equal(swarm.isSettled(settings.trackerPatienceMs), true)
    network.open('tracker')?.events.onBitfield(Uint8Array.of(0))
    assert.equal(swarm.isSettled(clock.now()), true)
    await swarm.close()
  })
})
