import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import type { StreamMessageEvent } from '@libp2p/interface'
import {
  generateClusterKey,
  InvalidPeerError,
  ListenError,
  PeerRefusedError,
  PeerUnreachableError,
  StreamRefusedError,
  type P2pNode,
} from '../../../src/p2p/index.ts'
import { eventually, startP2pNode, startP2pSwarm } from '../../support/p2p-swarm.ts'
import { testScope } from '../../support/scope.ts'

const PROTOCOL = '/shoal/test/1.0.0'
const LIMITS = { maxInboundStreams: 8, maxOutboundStreams: 8 }

function refOf(node: P2pNode): { id: string; addresses: readonly string[] } {
  return { id: node.peerId, addresses: node.addresses() }
}

describe('peers of one cluster', () => {
  it('connect, ping, and tell of connections that come and go', async (test) => {
    const swarm = await startP2pSwarm(2, { shape: 'apart' })
    testScope(test).use(swarm)
    const [a, b] = swarm.nodes as [P2pNode, P2pNode]
    const events: string[] = []
    const stopListening = b.onPeerConnected((peerId) => events.push(`+${peerId}`))
    b.onPeerDisconnected((peerId) => events.push(`-${peerId}`))
    await a.connect(refOf(b))
    await a.connect(refOf(b))
    assert.ok((await a.ping(b.peerId)) < 1_000)
    assert.deepEqual(a.connectedPeers(), [b.peerId])
    assert.deepEqual(events, [`+${a.peerId}`])
    await eventually(async () => (await b.addressesOf(a.peerId)).length > 0)
    stopListening()
    a.disconnect(b.peerId)
    await eventually(() => events.length === 2)
    await a.connect({ id: b.peerId, addresses: [] })
    assert.deepEqual(events, [`+${a.peerId}`, `-${a.peerId}`])
  })

  it('hand a stream to the handler with the proven PeerId of who opened it', async (test) => {
    const swarm = await startP2pSwarm(2)
    testScope(test).use(swarm)
    const [a, b] = swarm.nodes as [P2pNode, P2pNode]
    await a.handle(PROTOCOL, (stream, peerId) => void stream.send(Buffer.from(peerId)), LIMITS)
    const stream = await b.openStream(a.peerId, PROTOCOL, { signal: AbortSignal.timeout(2_000) })
    const [first] = (await once(stream, 'message')) as [StreamMessageEvent]
    assert.equal(Buffer.from(first.data.subarray()).toString(), b.peerId)
    await assert.rejects(b.openStream(a.peerId, '/unknown/1'), StreamRefusedError)
    await a.unhandle(PROTOCOL)
    await assert.rejects(b.openStream(a.peerId, PROTOCOL), StreamRefusedError)
  })

  it('all get through when twenty dial one at the same moment from one host', async (test) => {
    const swarm = await startP2pSwarm(21, { shape: 'apart', dialTimeoutMs: 20_000 })
    testScope(test).use(swarm)
    const [hub, ...others] = swarm.nodes as [P2pNode, ...P2pNode[]]
    await Promise.all(others.map((node) => node.connect(refOf(hub))))
    await eventually(() => hub.connectedPeers().length === 20)
  })

  it('find a peer by its DNS name', async (test) => {
    const swarm = await startP2pSwarm(2, { shape: 'apart' })
    testScope(test).use(swarm)
    const [a, b] = swarm.nodes as [P2pNode, P2pNode]
    const addresses = b.addresses().map((address) => address.replace('/ip4/127.0.0.1/', '/dns4/localhost/'))
    await a.connect({ id: b.peerId, addresses })
    assert.ok(a.isConnected(b.peerId))
    assert.equal((await a.hostsOf(b.peerId))[0], 'localhost')
  })

  it('know at which hosts they reach each other, whoever dialled', async (test) => {
    const swarm = await startP2pSwarm(2)
    testScope(test).use(swarm)
    const [hub, other] = swarm.nodes as [P2pNode, P2pNode]
    assert.deepEqual(await other.hostsOf(hub.peerId), ['127.0.0.1'])
    await eventually(async () => (await hub.hostsOf(other.peerId)).join() === '127.0.0.1')
    const stranger = '12D3KooWDJpLYEHxPwSFbUMqandnsFobrwPnPAZMqi2a7VwJPsvH'
    assert.deepEqual(await hub.hostsOf(stranger), [])
  })
})

describe('strangers', () => {
  it('with another cluster key or none are refused at once, in both directions, and reach no protocol', async (test) => {
    const scope = testScope(test)
    const member = scope.adopt(await startP2pNode({ clusterKey: generateClusterKey() }), (node) => node.stop())
    let streamCount = 0
    await member.handle(PROTOCOL, () => void streamCount++, LIMITS)
    for (const init of [{ clusterKey: generateClusterKey() }, {}]) {
      const stranger = scope.adopt(await startP2pNode(init), (node) => node.stop())
      const startMs = performance.now()
      await assert.rejects(stranger.connect(refOf(member)), /cluster key/)
      await assert.rejects(member.connect(refOf(stranger)), PeerUnreachableError)
      await assert.rejects(stranger.openStream(member.peerId, PROTOCOL), PeerUnreachableError)
      assert.ok(performance.now() - startMs < 2_500)
    }
    assert.deepEqual(member.connectedPeers(), [])
    assert.equal(streamCount, 0)
  })

  it('who are not on the allow list get no connection', async (test) => {
    const scope = testScope(test)
    const admitted = new Set<string>()
    const strict = scope.adopt(await startP2pNode({ admit: (id) => admitted.has(id) }), (node) => node.stop())
    const guest = scope.adopt(await startP2pNode(), (node) => node.stop())
    await assert.rejects(strict.connect(refOf(guest)), PeerRefusedError)
    await guest.connect(refOf(strict)).catch(() => undefined)
    await eventually(() => !guest.isConnected(strict.peerId))
    assert.deepEqual(strict.connectedPeers(), [])
    admitted.add(guest.peerId)
    await guest.connect(refOf(strict))
    assert.ok((await guest.ping(strict.peerId)) >= 0)
  })

  it('who are banned are cut off and cannot come back until the ban is over', async (test) => {
    const swarm = await startP2pSwarm(2)
    testScope(test).use(swarm)
    const [a, b] = swarm.nodes as [P2pNode, P2pNode]
    a.ban(b.peerId, 1_000)
    assert.ok(a.isBanned(b.peerId))
    await eventually(() => !b.isConnected(a.peerId))
    await b.connect(refOf(a)).catch(() => undefined)
    await eventually(() => !b.isConnected(a.peerId))
    assert.deepEqual(a.connectedPeers(), [])
    await assert.rejects(a.connect(refOf(b)), PeerRefusedError)
    await eventually(() => !a.isBanned(b.peerId))
    await b.connect(refOf(a))
    assert.ok((await b.ping(a.peerId)) >= 0)
  })
})

describe('a node', () => {
  it('refuses to dial itself or what is no PeerId', async (test) => {
    const node = testScope(test).adopt(await startP2pNode(), (started) => started.stop())
    await assert.rejects(node.connect(refOf(node)), InvalidPeerError)
    await assert.rejects(node.connect({ id: 'nobody', addresses: [] }), InvalidPeerError)
  })

  it('gives up a peer that does not answer after its dial timeout, and at once when told to', async (test) => {
    const scope = testScope(test)
    const node = scope.adopt(await startP2pNode({ dialTimeoutMs: 300 }), (started) => started.stop())
    const { peerId } = scope.adopt(await startP2pNode(), (started) => started.stop())
    const silent = scope.use(await startSilentServer())
    const startMs = performance.now()
    await assert.rejects(node.connect({ id: peerId, addresses: [silent.address] }), PeerUnreachableError)
    assert.ok(performance.now() - startMs < 1_500)
    const signal = AbortSignal.abort()
    await assert.rejects(node.connect({ id: peerId, addresses: [silent.address] }, { signal }), { name: 'AbortError' })
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 20)
    const dial = node.connect({ id: peerId, addresses: [silent.address] }, { signal: controller.signal })
    await assert.rejects(dial, { name: 'AbortError' })
  })

  it('knows where a peer is for as long as it is connected, and reaches it again after that', async (test) => {
    const recordLife = { validityMs: 100, thresholdMs: 50, intervalMs: 1_000 }
    const swarm = await startP2pSwarm(2, { shape: 'apart', recordLife })
    testScope(test).use(swarm)
    const [a, b] = swarm.nodes as [P2pNode, P2pNode]
    await a.connect(refOf(b))
    await eventually(async () => (await b.addressesOf(a.peerId)).length > 0)
    await new Promise((resolve) => setTimeout(resolve, 400))
    assert.equal((await b.addressesOf(a.peerId)).length, 1)
    a.disconnect(b.peerId)
    await eventually(() => !b.isConnected(a.peerId))
    await b.connect({ id: a.peerId, addresses: [] })
    assert.equal(b.isConnected(a.peerId), true)
  })

  it('says which address it cannot listen on', async (test) => {
    const scope = testScope(test)
    const first = scope.adopt(await startP2pNode(), (started) => started.stop())
    const taken = (first.addresses()[0] ?? '').replace(/\/p2p\/.*/, '')
    await assert.rejects(
      startP2pNode({ listenAddresses: [taken] }),
      (error) => error instanceof ListenError && error.message.includes(taken),
    )
  })
})

async function startSilentServer(): Promise<AsyncDisposable & { address: string }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => void sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    address: `/ip4/127.0.0.1/tcp/${port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
