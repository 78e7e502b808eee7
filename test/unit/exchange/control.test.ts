import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { PeerClosedError, PeerProtocolError, PeerStalledError } from '../../../src/exchange/index.ts'
import { Lane } from '../../../src/exchange/lane.ts'
import { decodeMessage } from '../../../src/exchange/message-decoder.ts'
import { encodeMessage } from '../../../src/exchange/message-encoder.ts'
import type { ExchangeMessage, HelloMessage } from '../../../src/exchange/messages.ts'
import { testBlob, turns, watch } from '../../support/exchange-bench.ts'
import { ExchangePair, type ExchangePairOptions } from '../../support/exchange-pair.ts'

/** Follow events as a list. */
function diary() {
  const lines: string[] = []
  return {
    lines,
    onBitfield: (bits: Uint8Array) => void lines.push(`bits ${Buffer.from(bits).toString('hex')}`),
    onHave: (chunks: readonly number[], digests: readonly Uint8Array[]) =>
      void lines.push(`have ${chunks.join(',')} ${digests.map((digest) => digest[0]).join(',')}`),
    onPeers: (peers: readonly { id: string }[]) => void lines.push(`peers ${peers.map(({ id }) => id).join(',')}`),
    onClosed: () => void lines.push('closed'),
  }
}

const digest = (first: number) => new Uint8Array(32).fill(first)

async function followed(options: ExchangePairOptions = {}) {
  const pair = new ExchangePair(options)
  const link = await pair.link()
  const events = diary()
  const following = link.follow(
    pair.supply.blob.ref,
    [{ namespace: 'docker.io', repository: 'library/alpine' }],
    events,
  )
  await turns()
  return { pair, link, events, following, publisher: pair.supply.publishers[0] }
}

/** A peer that says whatever it is told to on a stream of its own. */
function rawLane(pair: ExchangePair) {
  const lane = new Lane(pair.channel())
  const heard: ExchangeMessage[] = []
  let message: ExchangeMessage | undefined
  lane.listen({
    onHeader: (header, payloadBytes) => {
      message = decodeMessage(header)
      return new Uint8Array(payloadBytes)
    },
    onFrame: () => void heard.push(message as ExchangeMessage),
    onClosed() {},
  })
  return {
    lane,
    heard,
    say: (...messages: ExchangeMessage[]) => messages.forEach((each) => lane.post(encodeMessage(each))),
  }
}

const hello: HelloMessage = { kind: 'hello', version: 1, role: 'agent', zone: '' }

test('hellos tell role and zone', async () => {
  const { link, pair } = await followed()
  assert.deepEqual([link.id, link.role, link.zone], ['far', 'tracker', 'zone of the tracker'])
  assert.deepEqual(pair.supply.followers, [
    { id: 'near', role: 'agent', zone: 'zone of the agent', addresses: ['/dns4/near/tcp/1'] },
  ])
})

test('a peer that does not say hello is given up', async () => {
  const pair = new ExchangePair()
  const original = pair.channel.bind(pair)
  pair.channel = () => original(false)
  const opening = watch(pair.link())
  await pair.clock.advance(pair.limits.helloTimeoutMs)
  await turns()
  assert.ok(opening.error instanceof PeerStalledError)
  assert.equal(pair.near[0]?.isEnded, true)
})

test('a bitfield goes out at once, haves of a few milliseconds together', async () => {
  const { pair, events, publisher } = await followed()
  publisher?.bitfield(Uint8Array.of(0b1010_0000))
  publisher?.have([1], [digest(1)])
  await turns()
  assert.deepEqual(events.lines, ['bits a0', 'have 1 1'])
  publisher?.have([3], [digest(3)])
  await turns()
  publisher?.have([2, 0], [digest(2), digest(9)])
  await turns()
  assert.equal(events.lines.length, 2)
  await pair.clock.advance(pair.limits.coalesceMs)
  await turns()
  assert.deepEqual(events.lines.slice(2), ['have 3,2,0 3,2,9'])
})

test('peers of the blob are passed on', async () => {
  const { pair, events, publisher } = await followed()
  publisher?.peers([{ id: 'a', addresses: [] }])
  publisher?.peers([{ id: 'b', addresses: ['/ip4/127.0.0.1/tcp/1'] }])
  await pair.clock.advance(pair.limits.coalesceMs)
  await turns()
  assert.deepEqual(events.lines, ['peers a,b'])
})

test('a blob that is unknown there is closed at once', async () => {
  const { link } = await followed()
  const events = diary()
  link.follow(testBlob(12345).ref, [], events)
  await turns()
  assert.deepEqual(events.lines, ['closed'])
})

test('the publisher may end a follow, and it is closed once', async () => {
  const { events, publisher, pair } = await followed()
  publisher?.bitfield(Uint8Array.of(0))
  publisher?.gone()
  publisher?.gone()
  publisher?.have([1], [digest(1)])
  await pair.clock.advance(100)
  await turns()
  assert.deepEqual(events.lines, ['closed'])
  assert.equal(pair.supply.closedCount, 1)
})

test('closing a follow ends the subscription there, and late news are dropped', async () => {
  const { events, publisher, pair, following } = await followed()
  publisher?.bitfield(Uint8Array.of(0x80))
  following.close()
  following.close()
  await turns()
  assert.deepEqual(events.lines, ['closed'])
  assert.equal(pair.supply.closedCount, 1)
})

test('a blob can be followed again, and twice at a time', async () => {
  const { link, pair, following } = await followed()
  following.close()
  const [first, second] = [diary(), diary()]
  link.follow(pair.supply.blob.ref, [], first)
  link.follow(pair.supply.blob.ref, [], second)
  await turns()
  for (const publisher of pair.supply.publishers.slice(1)) publisher.bitfield(Uint8Array.of(0xf0))
  await turns()
  assert.deepEqual([first.lines, second.lines], [['bits f0'], ['bits f0']])
})

test('a link that ends closes everything followed and tells the supply that the peer has left', async () => {
  const { pair, link, events } = await followed()
  link.abort(new Error('over'))
  await turns()
  assert.deepEqual(events.lines, ['closed'])
  assert.equal(pair.supply.closedCount, 1)
  assert.deepEqual(pair.supply.departures, ['near'])
  const late = diary()
  link.follow(pair.supply.blob.ref, [], late)
  await turns()
  assert.deepEqual(late.lines, ['closed'])
})

test('announcements come in order and in parts that fit', async () => {
  const { pair, link } = await followed()
  const digests = Array.from({ length: 2500 }, (_, number) => digestOf(Buffer.from(String(number))))
  link.announce(digests, true)
  link.announce(digests.slice(0, 1), false)
  await turns()
  assert.deepEqual(
    pair.supply.announcements.map(({ digests: part, isHeld }) => [part.length, isHeld]),
    [
      [1024, true],
      [1024, true],
      [452, true],
      [1, false],
    ],
  )
})

test('announcements beyond the limit of a peer are ignored', async () => {
  const { pair, link } = await followed({ limits: { maxAnnouncedPerPeer: 1500 } })
  link.announce(Array(2500).fill(digestOf(Buffer.from('x'))), true)
  await turns()
  assert.deepEqual(
    pair.supply.announcements.map(({ digests }) => digests.length),
    [1024, 452],
  )
  assert.equal(link.isClosed, false)
})

test('no map is an answer', async () => {
  const { following } = await followed()
  assert.equal(await following.requestMap({}), undefined)
})

test('a map that is none breaks the protocol', async () => {
  const { following, pair, link } = await followed()
  pair.supply.mapBytes = new Uint8Array(100).fill(7)
  await assert.rejects(following.requestMap({}), PeerProtocolError)
  await turns()
  assert.equal(link.isClosed, true)
  assert.ok(pair.closings[0] instanceof PeerProtocolError)
})

test('a map that cannot be read is answered as none', async () => {
  const { following, pair } = await followed()
  pair.supply.map = () => Promise.reject(new Error('disk')) as never
  const request = watch(following.requestMap({}))
  await turns()
  assert.equal(request.isSettled, true)
  assert.equal(request.error, undefined)
})

test('stopping does not wait for a map that is being read', async () => {
  const { following, pair } = await followed()
  pair.supply.map = () => new Promise(() => undefined) as never
  watch(following.requestMap({}))
  await turns()
  const stopping = watch(pair.inbound.stop())
  await turns()
  assert.equal(stopping.isSettled, true)
})

test('a map request has a deadline, and its late answer does no harm', async () => {
  const { following, pair, link } = await followed()
  const late = Promise.withResolvers<undefined>()
  pair.supply.map = () => late.promise as never
  const request = watch(following.requestMap({}))
  await turns()
  await pair.clock.advance(pair.limits.mapTimeoutMs)
  await turns()
  assert.ok(request.error instanceof PeerStalledError)
  late.resolve(undefined)
  await turns()
  assert.equal(link.isClosed, false)
})

test('more follows than a peer may have are refused', async () => {
  const { link, pair } = await followed({ limits: { maxFollowsPerPeer: 1 } })
  const events = diary()
  link.follow(pair.supply.blob.ref, [], events)
  await turns()
  assert.deepEqual(events.lines, ['closed'])
})

const follow: ExchangeMessage = { kind: 'follow', follow: 1, ref: testBlob(4 * 2 ** 20 - 1000).ref, origins: [] }

const breaches: Record<string, ExchangeMessage[]> = {
  'something other than a hello or a want first': [{ kind: 'unfollow', follow: 1 }],
  'a second hello': [hello, hello],
  'a message of the other side': [hello, { kind: 'gone', follow: 1 }],
  'a want on a control stream': [hello, { kind: 'want', ref: testBlob(5).ref, chunk: 0, urgency: 'now' }],
  'a follow number twice': [hello, follow, follow],
}

for (const [what, messages] of Object.entries(breaches)) {
  test(`${what} breaks the protocol`, async () => {
    const pair = new ExchangePair()
    const { lane, say } = rawLane(pair)
    say(...messages)
    await turns()
    assert.ok(pair.breaches[0] instanceof PeerProtocolError)
    assert.equal(lane.isClosed, true)
  })
}

test('a flood of control messages breaks the protocol', async () => {
  const pair = new ExchangePair({ limits: { controlMessagesPerSecond: 5 } })
  const { say } = rawLane(pair)
  say(hello, ...Array.from({ length: 49 }, (): ExchangeMessage => ({ kind: 'unfollow', follow: 9 })))
  await turns()
  assert.equal(pair.breaches.length, 0)
  say({ kind: 'unfollow', follow: 9 })
  await turns()
  assert.equal(pair.breaches.length, 1)
})

test('a peer of another version is left without blame', async () => {
  const pair = new ExchangePair()
  const { lane, say } = rawLane(pair)
  say({ ...hello, version: 2 })
  await turns()
  assert.equal(lane.isClosed, true)
  assert.equal(pair.breaches.length, 0)
})

test('a second control stream takes the place of the first', async () => {
  const pair = new ExchangePair()
  const [first, second] = [rawLane(pair), rawLane(pair)]
  first.say(hello)
  await turns()
  second.say(hello)
  await turns()
  assert.deepEqual([first.lane.isClosed, second.lane.isClosed], [true, false])
  assert.equal(second.heard[0]?.kind, 'hello')
})

test('a stream that says nothing is closed', async () => {
  const pair = new ExchangePair()
  const { lane } = rawLane(pair)
  await pair.clock.advance(pair.limits.helloTimeoutMs)
  await turns()
  assert.equal(lane.isClosed, true)
})

test('streams beyond the limit of a peer are refused', async () => {
  const pair = new ExchangePair({ limits: { maxInboundLanesPerPeer: 1 } })
  const lanes = [0, 1, 2, 3].map(() => rawLane(pair).lane)
  await turns()
  assert.deepEqual(
    lanes.map(({ isClosed }) => isClosed),
    [false, false, false, true],
  )
})

test('a follower that does not read costs a bounded amount and loses its stream', async () => {
  const { pair, publisher } = await followed({ capacityBytes: 1000, chunkCount: 4 })
  pair.near[0]?.hold(true)
  for (let round = 0; round < 500; round += 1) {
    publisher?.have([0, 1, 2, 3], [digest(0), digest(1), digest(2), digest(3)])
    await pair.clock.advance(10)
  }
  assert.ok((pair.near[0]?.waitingBytes ?? 0) < 2000)
  await pair.clock.advance(30_000)
  await turns()
  assert.equal(pair.far[0]?.isEnded, true)
  assert.equal(pair.supply.closedCount, 1)
})

test('a request on a link whose control stream has ended says that the peer is gone', async () => {
  const { following, link } = await followed()
  link.close()
  await assert.rejects(following.requestMap({}), PeerClosedError)
})
