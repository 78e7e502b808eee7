import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { sha256, systemClock } from '../../../src/core/index.ts'
import { Exchange, type FollowEvents, PeerClosedError, type PeerLink } from '../../../src/exchange/index.ts'
import { TlsCarrier } from '../../../src/exchange/tls-carrier.ts'
import { generateIdentity, peerIdOf, tlsIdentityOf } from '../../../src/p2p/index.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { watch } from '../../support/exchange-bench.ts'
import { type ExchangeNode, type ExchangeSwarm, peerRefOf, startExchangeSwarm } from '../../support/exchange-swarm.ts'
import { eventually, startP2pNode } from '../../support/p2p-swarm.ts'

const MIB = 1024 * 1024
const limit = { timeout: 20_000 }
const quiet: FollowEvents = { onBitfield() {}, onHave() {}, onPeers() {}, onClosed() {} }

/** An address of the loopback interface at which no bulk port of the swarm listens. */
const ELSEWHERE = '127.0.0.2'

function pairOf(nodes: readonly ExchangeNode[]): [ExchangeNode, ExchangeNode] {
  const [server, client] = nodes
  assert.ok(server !== undefined && client !== undefined)
  return [server, client]
}

async function pullAll(link: PeerLink, { blob }: ExchangeSwarm): Promise<void> {
  const following = link.follow(blob.ref, [], quiet)
  const chunks = Array.from({ length: blob.chunkCount }, async (_, chunk) => {
    const { payload } = await following.request(chunk, {})
    assert.deepEqual(sha256(payload.bytes), blob.digestOf(chunk))
    payload.release()
  })
  await Promise.all(chunks)
}

async function lanesOf({ metrics }: ExchangeNode, carrier: 'tls' | 'libp2p', direction = 'sent'): Promise<number> {
  const line = new RegExp(`lanes_total\\{carrier="${carrier}",direction="${direction}"\\} (\\d+)`)
  return Number(line.exec(await metrics.render())?.[1] ?? 0)
}

test('two exchanges agree on TLS over the control stream, and all lanes go there', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 32 * MIB)
  const [server, client] = pairOf(swarm.nodes)
  await pullAll(await client.exchange.connect(peerRefOf(server), {}), swarm)
  assert.deepEqual([await lanesOf(client, 'tls'), await lanesOf(client, 'libp2p')], [4, 0])
  assert.equal(await lanesOf(server, 'tls', 'received'), 4)
  assert.ok((client.exchange.traffic()[0]?.bytesIn ?? 0) > 32 * MIB)
  // The one that was dialled finds the other's port at the address that it came from.
  await pullAll(await server.exchange.connect({ id: client.node.peerId, addresses: [] }, {}), swarm)
  assert.equal(await lanesOf(server, 'libp2p'), 0)
})

test('who prefers libp2p, or meets a peer without a bulk port, uses streams', limit, async () => {
  for (const tls of [{ isPreferred: false }, { listen: undefined }, false] as const) {
    await using swarm = await startExchangeSwarm(2, 8 * MIB, { tls })
    const [server, client] = pairOf(swarm.nodes)
    await pullAll(await client.exchange.connect(peerRefOf(server), {}), swarm)
    assert.equal(await lanesOf(client, 'tls'), 0)
    assert.ok((await lanesOf(client, 'libp2p')) > 0)
  }
})

test('a closed bulk port goes unnoticed, and is not tried for each lane', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 16 * MIB, { hosts: [ELSEWHERE] })
  const [server, client] = pairOf(swarm.nodes)
  const startMs = systemClock.now()
  await pullAll(await client.exchange.connect(peerRefOf(server), {}), swarm)
  assert.ok(systemClock.now() - startMs < 3_000)
  assert.deepEqual([await lanesOf(client, 'tls'), await lanesOf(client, 'libp2p')], [0, 4])
})

test('a bulk port that accepts and says nothing delays the first chunk by its deadline only', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 8 * MIB, { hosts: [ELSEWHERE], limits: { tlsOpenTimeoutMs: 300 } })
  const [server, client] = pairOf(swarm.nodes)
  const silent = createServer((socket) => socket.resume())
  const link = await client.exchange.connect(peerRefOf(server), {})
  silent.listen(server.exchange.bulkPort, ELSEWHERE)
  await once(silent, 'listening')
  await pullAll(link, swarm)
  assert.match(await client.metrics.render(), /tls_fallbacks_total [1-4]\n/)
  silent.close()
  await once(silent, 'close')
})

test('a peer that is dropped or banned loses its TLS lanes at both ends', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 256 * MIB)
  const [server, client] = pairOf(swarm.nodes)
  const link = await client.exchange.connect(peerRefOf(server), {})
  const following = link.follow(swarm.blob.ref, [], quiet)
  const requests = Array.from({ length: 60 }, (_, chunk) => watch(following.request(chunk, {})))
  await eventually(() => requests.some(({ isSettled }) => isSettled))
  server.exchange.punish(client.node.peerId, new Error('the test says so'))
  await eventually(() => requests.every(({ isSettled }) => isSettled), 2_000)
  assert.ok(requests.some(({ error }) => error instanceof PeerClosedError))
  // With the bulk port still known, nothing is to be had there.
  const carrier = new TlsCarrier((swarm.nodes[1] as ExchangeNode).tlsIdentity)
  const address = { host: '127.0.0.1', port: server.exchange.bulkPort ?? 0 }
  await assert.rejects(carrier.open(server.node.peerId, address, {}), PeerClosedError)
  assert.match(await server.metrics.render(), /tls_refusals_total\{reason="stranger"\} 1/)
})

test('a peer of another cluster is no peer at the bulk port either', limit, async () => {
  await using swarm = await startExchangeSwarm(1, MIB)
  const [server] = swarm.nodes
  assert.ok(server !== undefined)
  const identity = await generateIdentity()
  const stranger = await startP2pNode({ identity })
  await assert.rejects(stranger.connect(peerRefOf(server)))
  const address = { host: '127.0.0.1', port: server.exchange.bulkPort ?? 0 }
  await assert.rejects(new TlsCarrier(tlsIdentityOf(identity)).open(server.node.peerId, address, {}), PeerClosedError)
  assert.match(await server.metrics.render(), /tls_refusals_total\{reason="stranger"\} 1/)
  assert.equal(server.node.isConnected(peerIdOf(identity)), false)
  await stranger.stop()
})

test('a peer that starts over is found at its new bulk port', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 8 * MIB)
  const [server, client] = pairOf(swarm.nodes)
  await pullAll(await client.exchange.connect(peerRefOf(server), {}), swarm)
  const lanes = await lanesOf(client, 'tls')
  await server.exchange.stop()
  await eventually(() => client.exchange.links().length === 0)
  const tls = { identity: server.tlsIdentity, listen: { host: '127.0.0.1', port: 0 }, isPreferred: true }
  const again = new Exchange(
    { role: 'agent', uploadSlots: 4, maxLanesPerPeer: 4, tls },
    { ...server.components, logger: silentLogger(), metrics: new Metrics() },
  )
  await again.start()
  await pullAll(await client.exchange.connect(peerRefOf(server), {}), swarm)
  assert.ok((await lanesOf(client, 'tls')) > lanes)
  await again.stop()
})

test('a bulk port that is taken is done without', limit, async () => {
  const taken = createServer()
  taken.listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  assert.ok(typeof address === 'object' && address !== null)
  await using swarm = await startExchangeSwarm(2, 2 * MIB, {
    tls: { listen: { host: '127.0.0.1', port: address.port } },
  })
  const [server, client] = pairOf(swarm.nodes)
  assert.equal(server.exchange.bulkPort, undefined)
  await pullAll(await client.exchange.connect(peerRefOf(server), {}), swarm)
  assert.equal(await lanesOf(client, 'tls'), 0)
  taken.close()
})
