import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TocLayout } from '../../../src/chunking/index.ts'
import {
  PeerBusyError,
  PeerClosedError,
  PeerLacksChunkError,
  PeerProtocolError,
  PeerStalledError,
} from '../../../src/exchange/index.ts'
import type { SuppliedChunk } from '../../../src/exchange/index.ts'
import { turns, watch } from '../../support/exchange-bench.ts'
import { ExchangePair, type ExchangePairOptions } from '../../support/exchange-pair.ts'
import { unpooled } from '../../../src/util/index.ts'

const quiet = { onBitfield() {}, onHave() {}, onPeers() {}, onClosed() {} }

async function following(options: ExchangePairOptions = {}) {
  const pair = new ExchangePair(options)
  const link = await pair.link()
  return { pair, link, supply: pair.supply, clock: pair.clock, following: link.follow(pair.supply.blob.ref, [], quiet) }
}

const forever = () => new Promise<never>(() => undefined)

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
}

test('brings the chunk that was asked for, with its digest', async () => {
  const { following: blob, supply } = await following()
  const got = await blob.request(2, {})
  assert.equal(got.chunk, 2)
  assert.deepEqual(Buffer.compare(got.payload.bytes, supply.blob.bytesOf(2)), 0)
  assert.deepEqual(Buffer.from(got.digest), Buffer.from(supply.blob.digestOf(2)))
})

test('a peer that has cut the blob in another way has nothing of it to give', async () => {
  const { following: blob, pair, supply } = await following()
  pair.farLayoutOf = (ref) => new TocLayout(Float64Array.from([5, ref.sizeBytes]))
  for (const chunk of [3, 'any'] as const) await assert.rejects(blob.request(chunk, {}), PeerLacksChunkError)
  assert.equal(supply.readCount, 0)
  assert.deepEqual(pair.breaches, [])
})

test('the last chunk is shorter', async () => {
  const { following: blob } = await following()
  assert.equal((await blob.request(3, {})).payload.bytes.byteLength, 1024 * 1024 - 1000)
})

test('opens lanes as wants wait and no more than allowed, and uses them again', async () => {
  const { following: blob, link, pair } = await following({ maxLanes: 2, chunkCount: 8 })
  await Promise.all([0, 1, 2, 3, 4, 5, 6].map((chunk) => blob.request(chunk, {})))
  assert.equal(link.laneCount, 2)
  assert.equal(pair.near.length, 3)
})

test('closes a lane that is idle, and opens another when it is needed', async () => {
  const { following: blob, link, clock, pair } = await following()
  await blob.request(0, {})
  await clock.advance(pair.limits.laneIdleMs)
  await turns()
  assert.equal(link.laneCount, 0)
  await blob.request(1, {})
  assert.equal(pair.near.length, 3)
})

test('a chunk that is not there is said to be lacking', async () => {
  const { following: blob, supply } = await following()
  supply.onRead = async () => 'lacks'
  await assert.rejects(blob.request(0, {}), PeerLacksChunkError)
})

test('a failing supply looks like a lacking chunk and leaves the lane usable', async () => {
  const { following: blob, supply } = await following()
  supply.onRead = async () => Promise.reject(new Error('disk'))
  await assert.rejects(blob.request(0, {}), PeerLacksChunkError)
  supply.onRead = async (chunk) => supply.chunk(Number(chunk))
  assert.equal((await blob.request(1, {})).chunk, 1)
})

test('busy carries the wait and the alternates of the supply', async () => {
  const { following: blob, supply } = await following()
  supply.onRead = async () => ({ busyMs: 123, alternates: [{ id: 'other', addresses: ['/ip4/10.0.0.1/tcp/1'] }] })
  await assert.rejects(blob.request(0, {}), (error: PeerBusyError) => {
    assert.equal(error.waitMs, 123)
    assert.deepEqual(error.alternates, [{ id: 'other', addresses: ['/ip4/10.0.0.1/tcp/1'] }])
    return error instanceof PeerBusyError
  })
})

test('without a free upload slot the peer is told busy after a short wait, with other peers to ask', async () => {
  const { following: blob, supply, clock, pair } = await following({ uploadSlots: 1 })
  supply.onRead = forever
  watch(blob.request(0, {}))
  const second = watch(blob.request(1, {}))
  await turns()
  assert.equal(pair.slots.inUse, 1)
  await clock.advance(pair.limits.maxUploadWaitMs)
  await turns()
  assert.ok(second.error instanceof PeerBusyError)
  assert.equal(second.error.alternates[0]?.id, 'another')
})

test('a want of any chunk waits until there is one and holds no upload slot meanwhile', async () => {
  const { following: blob, supply, pair } = await following({ uploadSlots: 1 })
  const found = Promise.withResolvers<SuppliedChunk>()
  supply.onRead = async (chunk) => (chunk === 'any' ? await found.promise : supply.chunk(chunk))
  const any = watch(blob.request('any', {}))
  assert.equal((await blob.request(1, {})).chunk, 1)
  assert.equal(any.isSettled, false)
  assert.equal(pair.slots.inUse, 0)
  found.resolve(supply.chunk(3))
  await turns(60)
  assert.equal(any.value?.chunk, 3)
})

test('wants of any chunk leave a lane to the others', async () => {
  const { following: blob, supply, link } = await following({ maxLanes: 2 })
  supply.onRead = async (chunk, signal) => (chunk === 'any' ? await untilAborted(signal) : supply.chunk(chunk))
  const waiting = [watch(blob.request('any', {})), watch(blob.request('any', {}))]
  assert.equal((await blob.request(2, {})).chunk, 2)
  assert.equal(link.laneCount, 2)
  assert.ok(waiting.every(({ isSettled }) => !isSettled))
})

test('a want of any chunk that finds nothing is told to come again before the requester gives up', async () => {
  const { following: blob, supply, clock, pair } = await following()
  supply.onRead = async (_chunk, signal) => await untilAborted(signal)
  const any = watch(blob.request('any', {}))
  await turns()
  await clock.advance(pair.limits.anyResponseTimeoutMs - 1)
  await turns()
  assert.ok(any.error instanceof PeerBusyError)
})

test('bytes given as a function are read once there is a slot', async () => {
  const { following: blob, supply, pair } = await following({ uploadSlots: 1 })
  let slotsAtRead = -1
  supply.onRead = async () => ({
    ...supply.chunk(0),
    bytes: async () => {
      slotsAtRead = pair.slots.inUse
      return unpooled(supply.blob.bytesOf(0))
    },
  })
  await blob.request('any', {})
  assert.equal(slotsAtRead, 1)
})

test('an aborted want is cancelled at the server and the lane is used again', async () => {
  const { following: blob, supply, pair } = await following({ maxLanes: 1 })
  const seen: AbortSignal[] = []
  supply.onRead = async (_chunk, signal) => {
    seen.push(signal)
    return await untilAborted(signal)
  }
  const controller = new AbortController()
  const request = watch(blob.request(0, { signal: controller.signal }))
  await turns()
  controller.abort()
  await turns()
  assert.equal((request.error as Error).name, 'AbortError')
  assert.equal(seen[0]?.aborted, true)
  supply.onRead = async (chunk) => supply.chunk(Number(chunk))
  assert.equal((await blob.request(1, {})).chunk, 1)
  assert.equal(pair.near.length, 2)
  assert.equal(pair.slots.inUse, 0)
})

test('a want that is aborted while it waits for a lane is never sent', async () => {
  const { following: blob, supply } = await following({ maxLanes: 1 })
  supply.onRead = forever
  watch(blob.request(0, {}))
  await turns()
  const controller = new AbortController()
  const request = watch(blob.request(1, { signal: controller.signal }))
  await turns()
  controller.abort()
  await turns()
  assert.equal(request.isSettled, true)
  assert.equal(supply.readCount, 1)
})

test('a chunk that is cancelled when most of it is still to come costs the lane, not the next request', async () => {
  const { following: blob, pair } = await following({ maxLanes: 1, capacityBytes: 64 * 1024 })
  await blob.request(0, {})
  pair.near[1]?.hold(true)
  const controller = new AbortController()
  const request = watch(blob.request(1, { signal: controller.signal }))
  await turns()
  controller.abort()
  await turns()
  pair.near[1]?.hold(false)
  await turns()
  assert.equal(request.isSettled, true)
  assert.equal((await blob.request(2, {})).chunk, 2)
  assert.equal(pair.near.length, 3)
  assert.equal(pair.slots.inUse, 0)
})

test('a peer that does not answer is given up after the response timeout', async () => {
  const { following: blob, supply, clock, pair } = await following({ limits: { readTimeoutMs: 60_000 } })
  supply.onRead = forever
  const request = watch(blob.request(0, {}))
  await turns()
  await clock.advance(pair.limits.responseTimeoutMs - 1)
  assert.equal(request.isSettled, false)
  await clock.advance(1)
  await turns()
  assert.ok(request.error instanceof PeerStalledError)
  assert.equal(request.error.blame, 'peer')
})

test('a peer that stops in the middle of a chunk is given up after the stall timeout', async () => {
  const { following: blob, clock, pair } = await following({ maxLanes: 1, capacityBytes: 64 * 1024 })
  await blob.request(0, {})
  pair.near[1]?.holdAfter(300_000)
  const request = watch(blob.request(1, {}))
  await turns()
  await clock.advance(pair.limits.stallTimeoutMs - 1)
  assert.equal(request.isSettled, false)
  await clock.advance(pair.limits.stallTimeoutMs / 2 + 1)
  await turns()
  assert.ok(request.error instanceof PeerStalledError)
  assert.equal(pair.near[1]?.isEnded, true)
})

test('a slow peer whose bytes keep flowing is not given up', async () => {
  const { following: blob, clock, pair } = await following({ maxLanes: 1 })
  await blob.request(0, {})
  const near = pair.near[1]
  near?.hold(true)
  const request = watch(blob.request(1, {}))
  for (let step = 0; step < 20 && !request.isSettled; step += 1) {
    near?.hold(false)
    near?.holdAfter(70_000)
    await turns(4)
    await clock.advance(500)
  }
  assert.equal(request.value?.chunk, 1)
})

test('a cancelled chunk with little left is read to its end and the lane stays', async () => {
  const { following: blob, pair } = await following({ maxLanes: 1 })
  await blob.request(0, {})
  pair.near[1]?.holdAfter(900_000)
  const controller = new AbortController()
  const request = watch(blob.request(1, { signal: controller.signal }))
  await turns()
  controller.abort()
  pair.near[1]?.hold(false)
  await turns()
  assert.equal((request.error as Error).name, 'AbortError')
  assert.equal((await blob.request(2, {})).chunk, 2)
  assert.equal(pair.near.length, 2)
})

test('the buffer of a cancelled chunk is given back when the lane has done with it, not before', async () => {
  const { following: blob, pair } = await following({ maxLanes: 1 })
  await blob.request(0, {})
  pair.near[1]?.holdAfter(900_000)
  const controller = new AbortController()
  const request = watch(blob.request(1, { signal: controller.signal }))
  await turns()
  controller.abort()
  await turns()
  assert.ok(request.error !== undefined)
  assert.equal(pair.buffers.idleBytes, 0)
  pair.near[1]?.hold(false)
  await turns()
  assert.equal(pair.buffers.idleBytes, 1024 * 1024)
})

test('the buffer of a chunk that breaks off is given back with its lane', async () => {
  const { following: blob, pair } = await following({ maxLanes: 1 })
  await blob.request(0, {})
  pair.near[1]?.holdAfter(100_000)
  const request = watch(blob.request(1, {}))
  await turns()
  pair.far[1]?.abort(new Error('gone'))
  await turns()
  assert.ok(request.error instanceof PeerClosedError)
  assert.equal(pair.buffers.idleBytes, 1024 * 1024)
})

test('a chunk that was received stays as it is until it is given back, and its buffer serves the next', async () => {
  const { following: blob, supply } = await following({ chunkCount: 8 })
  const first = await blob.request(1, {})
  const { buffer } = first.payload.bytes
  await blob.request(2, {})
  assert.equal(Buffer.compare(first.payload.bytes, supply.blob.bytesOf(1)), 0)
  first.payload.release()
  const third = await blob.request(3, {})
  assert.equal(third.payload.bytes.buffer, buffer)
  assert.equal(Buffer.compare(third.payload.bytes, supply.blob.bytesOf(3)), 0)
})

test('a reader that takes nothing is cut off and gives its upload slot back', async () => {
  const { following: blob, pair, clock } = await following({ maxLanes: 1, capacityBytes: 64 * 1024 })
  await blob.request(0, {})
  pair.near[1]?.hold(true)
  const request = watch(blob.request(1, {}))
  await turns()
  assert.equal(pair.slots.inUse, 1)
  assert.ok((pair.near[1]?.waitingBytes ?? 0) <= 2 * 256 * 1024 + 1000, 'no more than two pieces are queued')
  await clock.advance(pair.limits.sendGraceMs + 17_000)
  await turns()
  assert.equal(pair.slots.inUse, 0)
  assert.equal(pair.far[1]?.isEnded, true)
  assert.equal(request.isSettled, true)
})

test('a lane that breaks fails its want as retryable', async () => {
  const { following: blob, supply, pair } = await following()
  supply.onRead = forever
  const request = watch(blob.request(0, {}))
  await turns()
  pair.far[1]?.abort(new Error('gone'))
  await turns()
  assert.ok(request.error instanceof PeerClosedError)
  assert.equal(request.error.retryable, true)
})

test('a link that ends fails everything asked of it', async () => {
  const { following: blob, supply, pair, link } = await following()
  supply.onRead = async (_chunk, signal) => await untilAborted(signal)
  const requests = [0, 1, 2].map((chunk) => watch(blob.request(chunk, {})))
  await turns()
  pair.inbound.dropPeer('near', new Error('gone'))
  await turns()
  assert.ok(requests.every(({ error }) => error instanceof PeerClosedError))
  assert.equal(link.isClosed, true)
  assert.equal(pair.slots.inUse, 0)
  await assert.rejects(blob.request(0, {}), PeerClosedError)
  await pair.inbound.stop()
})

test('a want of a chunk past the end breaks the protocol', async () => {
  const pair = new ExchangePair()
  await pair.link()
  const { Lane } = await import('../../../src/exchange/lane.ts')
  const { encodeMessage } = await import('../../../src/exchange/message-encoder.ts')
  const lane = new Lane(pair.channel())
  lane.listen({ onHeader: () => undefined, onFrame() {}, onClosed() {} })
  lane.post(encodeMessage({ kind: 'want', ref: pair.supply.blob.ref, chunk: 4, urgency: 'now' }))
  await turns()
  assert.ok(pair.breaches[0] instanceof PeerProtocolError)
  assert.equal(lane.isClosed, true)
})

test('urgent wants overtake those that wait for a lane', async () => {
  const { following: blob, supply } = await following({ maxLanes: 1, chunkCount: 4 })
  const order: (number | 'any')[] = []
  const gate = Promise.withResolvers<void>()
  supply.onRead = async (chunk) => {
    order.push(chunk)
    await gate.promise
    return supply.chunk(Number(chunk))
  }
  const all = [blob.request(0, { urgency: 'later' })]
  await turns()
  all.push(
    blob.request(1, { urgency: 'later' }),
    blob.request(2, { urgency: 'soon' }),
    blob.request(3, { urgency: 'now' }),
  )
  await turns()
  gate.resolve()
  await Promise.all(all)
  assert.deepEqual(order, [0, 3, 2, 1])
})

test('more wants than may wait are told busy at once', async () => {
  const { following: blob, supply } = await following({ maxLanes: 1, limits: { maxQueuedPerPeer: 2 } })
  supply.onRead = forever
  watch(blob.request(0, {}))
  await turns()
  watch(blob.request(1, {}))
  watch(blob.request(2, {}))
  await assert.rejects(blob.request(3, {}), PeerBusyError)
})

test('leaves no timers behind when everything has ended', async () => {
  const { following: blob, link, pair, clock } = await following()
  await Promise.all([0, 1, 2].map((chunk) => blob.request(chunk, {})))
  link.close()
  await turns()
  await pair.inbound.stop()
  await clock.advance(pair.limits.helloTimeoutMs)
  assert.equal(clock.pendingCount, 0)
})

test('a requester that goes on asking and reads no answers costs a bounded amount and loses its lane', async () => {
  const pair = new ExchangePair({ capacityBytes: 1024 })
  await pair.link()
  pair.supply.onRead = async () => 'lacks'
  const { Lane } = await import('../../../src/exchange/lane.ts')
  const { encodeMessage } = await import('../../../src/exchange/message-encoder.ts')
  const channel = pair.channel()
  const lane = new Lane(channel)
  lane.listen({ onHeader: () => undefined, onFrame() {}, onClosed() {} })
  channel.hold(true)
  for (let sent = 0; sent < 500 && pair.breaches.length === 0; sent++) {
    lane.post(encodeMessage({ kind: 'want', ref: pair.supply.blob.ref, chunk: 0, urgency: 'now' }))
    await turns()
  }
  assert.ok(channel.waitingBytes <= 2048, `${channel.waitingBytes} bytes wait for the requester`)
  await pair.clock.advance(pair.limits.sendGraceMs)
  await turns()
  assert.equal(pair.far[1]?.isEnded, true)
})

test('a disk that does not answer gives its upload slot back', async () => {
  const { following: blob, supply, pair, clock } = await following()
  supply.onRead = async (chunk) => ({ ...supply.chunk(Number(chunk)), bytes: forever })
  const request = watch(blob.request(0, {}))
  await turns()
  assert.equal(pair.slots.inUse, 1)
  await clock.advance(pair.limits.readTimeoutMs)
  await turns()
  assert.equal(pair.slots.inUse, 0)
  assert.equal(request.isSettled, true)
})
