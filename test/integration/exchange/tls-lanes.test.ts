import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { sha256, systemClock } from '../../../src/core/index.ts'
import { Exchange, type FollowEvents, PeerClosedError, type PeerLink } from '../../../src/exchange/index.ts'
import { Link } from '../../../src/exchange/link.ts'
import { TlsCarrier } from '../../../src/exchange/tls-carrier.ts'
import { generateIdentity, peerIdOf, tlsIdentityOf } from '../../../src/p2p/index.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { watch } from '../../support/exchange-bench.ts'
import { type ExchangeNode, type ExchangeSwarm, peerRefOf, startExchangeSwarm } from '../../support/exchange-swarm.ts'
import { HandshakeDelay } from '../../support/handshake-delay.ts'
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

/** Where the swarm is told that the bulk port is: slow to answer there, or never. */
async function delayOf({ exchange }: ExchangeNode, delayMs: number | undefined): Promise<HandshakeDelay> {
  assert.ok(exchange.bulkPort !== undefined)
  return await HandshakeDelay.start(ELSEWHERE, { host: '127.0.0.1', port: exchange.bulkPort }, delayMs)
}

const filterOf = async (node: ExchangeNode) => await delayOf(node, undefined)

/** A new exchange in the place of one that was stopped. */
async function startAgain({ tlsIdentity, components }: ExchangeNode) {
  const tls = { identity: tlsIdentity, listen: { host: '127.0.0.1', port: 0 }, isPreferred: true }
  const exchange = new Exchange(
    { role: 'agent', uploadSlots: 4, maxLanesPerPeer: 4, tls },
    { ...components, logger: silentLogger(), metrics: new Metrics() },
  )
  await exchange.start()
  return { bulkPort: exchange.bulkPort, [Symbol.asyncDispose]: async () => await exchange.stop() }
}

test('two exchanges agree on TLS over the control stream, and all lanes go there', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 32 * MIB)
  const [server, client] = pairOf(swarm.nodes)
  const link = await client.exchange.connect(peerRefOf(server), {})
  assert.deepEqual([await lanesOf(client, 'tls'), await lanesOf(client, 'libp2p')], [1, 0], 'the control stream')
  await pullAll(link, swarm)
  assert.deepEqual([await lanesOf(client, 'tls'), await lanesOf(client, 'libp2p')], [5, 0])
  assert.equal(await lanesOf(server, 'tls', 'received'), 5)
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

test('a bulk port that accepts and says nothing costs the first contact less than a second', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 8 * MIB, { hosts: [ELSEWHERE] })
  const [server, client] = pairOf(swarm.nodes)
  await using filter = await filterOf(server)
  const startMs = systemClock.now()
  const link = await client.exchange.connect(peerRefOf(server), {})
  const { payload } = await link.follow(swarm.blob.ref, [], quiet).request(0, {})
  const tookMs = systemClock.now() - startMs
  payload.release()
  assert.ok(tookMs < 1_000, `${tookMs} ms`)
  await pullAll(link, swarm)
  assert.deepEqual([await lanesOf(client, 'tls'), await lanesOf(client, 'libp2p')], [0, 4])
  assert.equal(filter.acceptedCount, 1)
})

test('a pull moves over to TLS when the handshakes are slow, and its libp2p lanes end', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 16 * MIB, { hosts: [ELSEWHERE] })
  const [server, client] = pairOf(swarm.nodes)
  await using _delay = await delayOf(server, 1_000)
  const link = await client.exchange.connect(peerRefOf(server), {})
  const startMs = systemClock.now()
  while ((await lanesOf(client, 'tls')) < 5 && systemClock.now() - startMs < 10_000) await pullAll(link, swarm)
  await pullAll(link, swarm)
  assert.ok(link instanceof Link)
  // Lanes that only finish what they are at count too.
  assert.equal(link.laneCount, 4)
  // And the control stream that came too late.
  assert.equal(await lanesOf(client, 'tls'), 5)
  const begunSlowCount = await lanesOf(client, 'libp2p')
  assert.ok(begunSlowCount > 0)
  assert.match(await client.metrics.render(), new RegExp(`tls_late_total ${begunSlowCount}\n`))
  await eventually(async () => (await lanesOf(server, 'tls', 'received')) === 5)
  assert.match(await client.metrics.render(), /tls_fallbacks_total 0/)
})

test(
  'a control stream whose handshake was slow moves later, and the tracker hears again what is held',
  limit,
  async () => {
    await using swarm = await startExchangeSwarm(2, 2 * MIB, { hosts: [ELSEWHERE] })
    const [tracker, client] = pairOf(swarm.nodes)
    await using _delay = await delayOf(tracker, 600)
    const { digest } = swarm.blob.ref
    client.exchange.setHoldings(() => [digest])
    const link = await client.exchange.connect(peerRefOf(tracker), {})
    await eventually(() => tracker.supply.announcements.length === 1)
    link.follow(swarm.blob.ref, [], quiet).close()
    await eventually(() => tracker.supply.announcements.length === 2)
    const peer = client.node.peerId
    assert.deepEqual(tracker.supply.departures, [peer])
    assert.deepEqual(tracker.supply.announcements[1], { peer, digests: [digest], isHeld: true })
    assert.deepEqual(client.exchange.links(), [link], 'the link is the same')
    await pullAll(link, swarm)
  },
)

test('a ban and a stop end the attempts that nobody waits for', limit, async () => {
  for (const end of ['ban', 'stop'] as const) {
    await using swarm = await startExchangeSwarm(2, 8 * MIB, { hosts: [ELSEWHERE] })
    const [server, client] = pairOf(swarm.nodes)
    await using filter = await filterOf(server)
    await pullAll(await client.exchange.connect(peerRefOf(server), {}), swarm)
    assert.equal(filter.openCount, 1)
    const startMs = systemClock.now()
    if (end === 'ban') client.exchange.punish(server.node.peerId, new Error('the test says so'))
    else await client.exchange.stop()
    await eventually(() => filter.openCount === 0)
    assert.ok(systemClock.now() - startMs < 3_000)
    assert.match(await client.metrics.render(), /tls_fallbacks_total 0/)
  }
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
  // Lanes that were being opened at the moment of the ban are refused as well.
  assert.match(await server.metrics.render(), /tls_refusals_total\{reason="stranger"\} [1-9]/)
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
  await using _again = await startAgain(server)
  await pullAll(await client.exchange.connect(peerRefOf(server), {}), swarm)
  assert.ok((await lanesOf(client, 'tls')) > lanes)
})

test('a peer that starts over while its old bulk port is being tried is reached at the new one', limit, async () => {
  const hosts = [ELSEWHERE]
  await using swarm = await startExchangeSwarm(2, 8 * MIB, { hosts })
  const [server, client] = pairOf(swarm.nodes)
  await using filter = await filterOf(server)
  await pullAll(await client.exchange.connect(peerRefOf(server), {}), swarm)
  await server.exchange.stop()
  await eventually(() => client.exchange.links().length === 0 && filter.openCount === 0)
  hosts.splice(0, 1, '127.0.0.1')
  await using again = await startAgain(server)
  await pullAll(await client.exchange.connect(peerRefOf(server), {}), swarm)
  assert.ok(again.bulkPort !== undefined)
  assert.equal(await lanesOf(client, 'tls'), 5)
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
