import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeSignedChunkMap, signChunkMap } from '../../../src/chunking/index.ts'
import { digestOf, sha256, systemClock } from '../../../src/core/index.ts'
import {
  EXCHANGE_PROTOCOL,
  type FollowEvents,
  PeerBusyError,
  PeerClosedError,
  PeerProtocolError,
  PeerStalledError,
} from '../../../src/exchange/index.ts'
import { Lane } from '../../../src/exchange/lane.ts'
import { StreamChannel } from '../../../src/exchange/libp2p-carrier.ts'
import { encodeMessage } from '../../../src/exchange/message-encoder.ts'
import type { PeerNetwork } from '../../../src/scheduler/ports.ts'
import { chunkMapOf, mapSigner } from '../../support/chunk-maps.ts'
import { watch } from '../../support/exchange-bench.ts'
import { type ExchangeNode, peerRefOf, startExchangeSwarm } from '../../support/exchange-swarm.ts'
import { eventually } from '../../support/p2p-swarm.ts'

const MIB = 1024 * 1024
const limit = { timeout: 20_000 }
const quiet: FollowEvents = { onBitfield() {}, onHave() {}, onPeers() {}, onClosed() {} }

function pairOf(nodes: readonly ExchangeNode[]): [ExchangeNode, ExchangeNode] {
  const [server, client] = nodes
  assert.ok(server !== undefined && client !== undefined)
  return [server, client]
}

test('a blob is followed: bitfield, haves, peers, gone, and its map', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 4 * MIB)
  const [server, client] = pairOf(swarm.nodes)
  const said: string[] = []
  server.supply.onFollow = (publisher) => publisher.bitfield(Uint8Array.of(0xa0))
  // The scheduler's view of a link is satisfied by shape.
  const network: Pick<PeerNetwork, 'connect'> = client.exchange
  const link = await network.connect(peerRefOf(server), {})
  assert.deepEqual([link.id, link.role], [server.node.peerId, 'tracker'])
  const following = link.follow(swarm.blob.ref, [], {
    onBitfield: (bits) => void said.push(`bits ${bits[0]}`),
    onHave: (chunks) => void said.push(`have ${chunks.join()}`),
    onPeers: (peers) => void said.push(`peers ${peers.map(({ id }) => id).join()}`),
    onClosed: () => void said.push('closed'),
  })
  await eventually(() => said.length === 1)
  const [publisher] = server.supply.publishers
  publisher?.have([1], [sha256(Buffer.from('1'))])
  publisher?.have([3], [sha256(Buffer.from('3'))])
  await eventually(() => said.length === 2)
  publisher?.peers([{ id: 'someone', addresses: ['/ip4/127.0.0.1/tcp/9'] }])
  await eventually(() => said.length === 3)
  assert.equal(await following.requestMap({}), undefined)
  publisher?.gone()
  await eventually(() => said.length === 4)
  assert.deepEqual(said, ['bits 160', 'have 1,3', 'peers someone', 'closed'])
  assert.deepEqual(
    server.supply.followers.map(({ id, role }) => [id, role]),
    [[client.node.peerId, 'agent']],
  )
})

test('a signed chunk map comes over whole, and only if it is of the blob', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 4 * MIB)
  const [server, client] = pairOf(swarm.nodes)
  const bytes = new Uint8Array(3 * MIB).fill(5)
  const signed = await signChunkMap(chunkMapOf(bytes), await mapSigner(1))
  server.supply.mapBytes = encodeSignedChunkMap(signed)
  const link = await client.exchange.connect(peerRefOf(server), {})
  const ref = { digest: digestOf(bytes), sizeBytes: bytes.byteLength }
  const got = await link.follow(ref, [], quiet).requestMap({})
  assert.equal(got?.signer, signed.signer)
  assert.deepEqual(Buffer.from(got?.map.digests ?? []), Buffer.from(signed.map.digests))
  await assert.rejects(link.follow(swarm.blob.ref, [], quiet).requestMap({}), PeerProtocolError)
  await eventually(() => client.node.isBanned(server.node.peerId))
})

test('64 chunks of 1 MiB come through four lanes with the right bytes', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 64 * MIB)
  const [server, client] = pairOf(swarm.nodes)
  const following = (await client.exchange.connect(peerRefOf(server), {})).follow(swarm.blob.ref, [], quiet)
  await Promise.all(
    Array.from({ length: 64 }, async (_, chunk) => {
      const got = await following.request(chunk, {})
      assert.deepEqual(Buffer.from(sha256(got.payload.bytes)), Buffer.from(swarm.blob.digestOf(chunk)))
      assert.deepEqual(Buffer.from(got.digest), Buffer.from(swarm.blob.digestOf(chunk)))
    }),
  )
  const text = await client.metrics.render()
  assert.match(text, /shoal_exchange_chunks_total\{direction="received"\} 64/)
  assert.match(await server.metrics.render(), /shoal_exchange_upload_slots_in_use 0/)
})

test('connecting is a single flight, and a tracker hears what we hold now and later', limit, async () => {
  await using swarm = await startExchangeSwarm(2, MIB)
  const [server, client] = pairOf(swarm.nodes)
  const [held, later] = [digestOf(Buffer.from('held')), digestOf(Buffer.from('later'))]
  client.exchange.setHoldings(() => [held])
  const links = await Promise.all([1, 2, 3].map(() => client.exchange.connect(peerRefOf(server), {})))
  assert.equal(new Set(links).size, 1)
  client.exchange.announce([later])
  client.exchange.withdraw([held])
  await eventually(() => server.supply.announcements.length === 3)
  assert.deepEqual(
    server.supply.announcements.map(({ digests, isHeld }) => [digests[0], isHeld]),
    [
      [held, true],
      [later, true],
      [held, false],
    ],
  )
})

test(
  'a peer that dies in the middle of a chunk fails the request at once, and the link is opened anew later',
  limit,
  async () => {
    await using swarm = await startExchangeSwarm(3, 256 * MIB)
    const [server, client] = pairOf(swarm.nodes)
    const link = await client.exchange.connect(peerRefOf(server), {})
    const following = link.follow(swarm.blob.ref, [], quiet)
    const requests = Array.from({ length: 40 }, (_, chunk) => watch(following.request(chunk, {})))
    await eventually(() => requests.some(({ isSettled }) => isSettled))
    server.node.disconnect(client.node.peerId)
    await eventually(() => requests.every(({ isSettled }) => isSettled), 2_000)
    assert.ok(requests.some(({ error }) => error instanceof PeerClosedError))
    await eventually(() => client.exchange.links().length === 0)
    const again = await client.exchange.connect(peerRefOf(server), {})
    assert.notEqual(again, link)
    assert.equal((await again.follow(swarm.blob.ref, [], quiet).request(7, {})).chunk, 7)
  },
)

test('a peer that sends garbage is banned and the request fails', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 4 * MIB)
  const [server, client] = pairOf(swarm.nodes)
  await server.exchange.stop()
  await server.node.handle(EXCHANGE_PROTOCOL, (stream) => void stream.send(new Uint8Array(1000).fill(255)), {
    maxInboundStreams: 8,
    maxOutboundStreams: 8,
  })
  await assert.rejects(
    client.exchange.connect(peerRefOf(server), {}),
    (error: Error) => error instanceof PeerProtocolError || error instanceof PeerClosedError,
  )
  await eventually(() => client.node.isBanned(server.node.peerId))
})

test('a peer that sends a chunk of the wrong length is banned', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 4 * MIB, { tls: false })
  const [server, client] = pairOf(swarm.nodes)
  const link = await client.exchange.connect(peerRefOf(server), {})
  await server.node.unhandle(EXCHANGE_PROTOCOL)
  const digest = new Uint8Array(32)
  await server.node.handle(
    EXCHANGE_PROTOCOL,
    (stream, peerId) => {
      const lane = new Lane(new StreamChannel(stream, peerId))
      lane.listen({
        onHeader: () => undefined,
        onFrame: () => void lane.send(encodeMessage({ kind: 'chunk', chunk: 1, digest }), new Uint8Array(5), {}),
        onClosed() {},
      })
    },
    { maxInboundStreams: 8, maxOutboundStreams: 8 },
  )
  await assert.rejects(link.follow(swarm.blob.ref, [], quiet).request(1, {}), PeerProtocolError)
  await eventually(() => client.node.isBanned(server.node.peerId))
  assert.equal(link.role, 'tracker')
})

test('a server that is sent garbage bans the sender and serves the others on', limit, async () => {
  await using swarm = await startExchangeSwarm(3, 4 * MIB)
  const [server, client] = pairOf(swarm.nodes)
  const bad = swarm.nodes[2]
  assert.ok(bad !== undefined)
  const following = (await client.exchange.connect(peerRefOf(server), {})).follow(swarm.blob.ref, [], quiet)
  await bad.node.connect(peerRefOf(server))
  const stream = await bad.node.openStream(server.node.peerId, EXCHANGE_PROTOCOL)
  stream.send(new Uint8Array(100).fill(0x7f))
  await eventually(() => server.node.isBanned(bad.node.peerId))
  assert.equal((await following.request(0, {})).chunk, 0)
})

test('a peer that stalls in the middle of a chunk is given up after the stall timeout', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 4 * MIB, { tls: false, limits: { stallTimeoutMs: 300 } })
  const [server, client] = pairOf(swarm.nodes)
  const link = await client.exchange.connect(peerRefOf(server), {})
  await server.node.unhandle(EXCHANGE_PROTOCOL)
  await server.node.handle(
    EXCHANGE_PROTOCOL,
    (stream, peerId) => {
      const channel = new StreamChannel(stream, peerId)
      const header = encodeMessage({ kind: 'chunk', chunk: 0, digest: new Uint8Array(32) })
      const prefix = new Uint8Array(8)
      new DataView(prefix.buffer).setUint32(0, header.byteLength)
      new DataView(prefix.buffer).setUint32(4, MIB)
      const onBytes = () => void channel.write(Buffer.concat([prefix, header, new Uint8Array(1000)]))
      channel.open({ onBytes, onEnd() {} })
    },
    { maxInboundStreams: 8, maxOutboundStreams: 8 },
  )
  const startMs = systemClock.now()
  await assert.rejects(link.follow(swarm.blob.ref, [], quiet).request(0, {}), PeerStalledError)
  assert.ok(systemClock.now() - startMs < 2_000)
  assert.equal(client.node.isBanned(server.node.peerId), false)
})

test('a slow reader costs the server a bounded amount of memory and is cut off', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 64 * MIB, {
    uploadSlots: 2,
    limits: { sendGraceMs: 300, minSendBytesPerSecond: 1e9 },
  })
  const [server, client] = pairOf(swarm.nodes)
  await client.node.connect(peerRefOf(server))
  const streams = await Promise.all(
    [0, 1, 2, 3].map(() => client.node.openStream(server.node.peerId, EXCHANGE_PROTOCOL)),
  )
  const blob = { ref: { ...swarm.blob.ref, sizeBytes: 64 * 1024 * MIB } }
  server.supply.onRead = async (chunk) => ({
    ...server.supply.chunk(0),
    chunk: Number(chunk),
    bytes: new Uint8Array(16 * MIB),
  })
  const beforeBytes = process.memoryUsage().arrayBuffers
  for (const [chunk, stream] of streams.entries()) {
    stream.pause()
    const lane = new Lane(new StreamChannel(stream, server.node.peerId))
    lane.post(encodeMessage({ kind: 'want', ref: blob.ref, chunk, urgency: 'now' }))
  }
  await eventually(() => server.supply.readCount === 2)
  await new Promise((resolve) => setTimeout(resolve, 100))
  const grownBytes = process.memoryUsage().arrayBuffers - beforeBytes
  assert.ok(grownBytes < 3 * 16 * MIB, `${grownBytes} bytes for two upload slots of 16 MiB`)
  await eventually(() => streams.filter(({ status }) => status !== 'open').length >= 2)
})

test('a server whose slots are taken says busy, and is asked again with success', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 16 * MIB, { uploadSlots: 1, limits: { maxUploadWaitMs: 20 } })
  const [server, client] = pairOf(swarm.nodes)
  const gate = Promise.withResolvers<void>()
  server.supply.onRead = async (chunk) => {
    await gate.promise
    return server.supply.chunk(Number(chunk))
  }
  const following = (await client.exchange.connect(peerRefOf(server), {})).follow(swarm.blob.ref, [], quiet)
  const first = following.request(0, {})
  await eventually(() => server.supply.readCount === 1)
  await assert.rejects(following.request(1, {}), PeerBusyError)
  gate.resolve()
  await first
  assert.equal((await following.request(1, {})).chunk, 1)
})

test('stopping ends everything that is under way', limit, async () => {
  await using swarm = await startExchangeSwarm(2, 64 * MIB)
  const [server, client] = pairOf(swarm.nodes)
  server.supply.onRead = (_chunk, signal) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const following = (await client.exchange.connect(peerRefOf(server), {})).follow(swarm.blob.ref, [], quiet)
  const requests = [0, 1, 'any' as const].map((chunk) => watch(following.request(chunk, {})))
  await eventually(() => server.supply.readCount === 3)
  await Promise.all([server.exchange.stop(), client.exchange.stop()])
  await eventually(() => requests.every(({ error }) => error instanceof PeerClosedError))
  await assert.rejects(client.exchange.connect(peerRefOf(server), {}), PeerClosedError)
})
