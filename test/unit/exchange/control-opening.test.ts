import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PeerProtocolError } from '../../../src/exchange/index.ts'
import { Lane } from '../../../src/exchange/lane.ts'
import { turns, watch } from '../../support/exchange-bench.ts'
import { ExchangePair } from '../../support/exchange-pair.ts'

const BULK_PORT = 4001

const quiet = { onBitfield() {}, onHave() {}, onPeers() {}, onClosed() {} }

/** A pair whose far end names a bulk port; `open` says what is found there. */
function pairWith(open: (pair: ExchangePair, signal: AbortSignal | undefined) => Promise<Lane | undefined>) {
  const pair = new ExchangePair({ bulkPort: BULK_PORT })
  pair.openFastControl = async (bulkPort, { signal }) => {
    assert.equal(bulkPort, BULK_PORT)
    return await open(pair, signal)
  }
  return pair
}

test('the control stream goes to the bulk port that the hello names, and the first stream ends', async () => {
  const pair = pairWith(async () => new Lane(pair.channel()))
  const link = await pair.link()
  const [first, second] = pair.near
  assert.deepEqual([first?.isEnded, second?.isEnded], [true, false])
  link.follow(pair.supply.blob.ref, [], quiet)
  await turns()
  assert.equal(pair.supply.publishers.length, 1, 'the far end hears what is said there')
  assert.deepEqual(pair.closings, [], 'the end of the first stream is not the end of the link')
  second?.abort(new Error('the socket broke'))
  await turns()
  assert.equal(pair.closings.length, 1)
  assert.ok(link.isClosed)
})

test('a bulk port that cannot be used leaves the control stream where it is', async () => {
  const pair = pairWith(async () => undefined)
  const link = await pair.link()
  assert.equal(pair.near.length, 1)
  assert.equal(link.isClosed, false)
})

test('a bulk port that does not answer is waited for no longer than its time, and tried on', async () => {
  const late = Promise.withResolvers<Lane>()
  const pair = pairWith(async () => await late.promise)
  const opening = watch(pair.opening())
  await turns()
  await pair.clock.advance(pair.limits.tlsControlPatienceMs - 1)
  assert.equal(opening.isSettled, false)
  await pair.clock.advance(1)
  assert.equal(opening.isSettled, true)
  const lane = new Lane(pair.channel())
  late.resolve(lane)
  await turns()
  assert.ok(lane.isClosed, 'what comes late is not used')
  assert.equal(opening.value?.isClosed, false)
})

test('an attempt at the bulk port ends with the link that it was made for', async () => {
  let attempt: AbortSignal | undefined
  const pair = pairWith(async (_pair, signal) => {
    attempt = signal
    return await new Promise(() => undefined)
  })
  const opening = pair.opening()
  await turns()
  await pair.clock.advance(pair.limits.tlsControlPatienceMs)
  const link = await opening
  assert.equal(attempt?.aborted, false)
  link.close()
  assert.equal(attempt?.aborted, true)
})

test('who waits no more for the link leaves nothing open', async () => {
  const pair = pairWith(async () => await new Promise(() => undefined))
  const controller = new AbortController()
  const opening = pair.opening({ signal: controller.signal })
  await turns()
  controller.abort(new Error('nobody waits'))
  await assert.rejects(opening, /nobody waits/)
  assert.equal(pair.near[0]?.isEnded, true)
})

test('a bulk port where nobody says hello leaves the control stream where it is', async () => {
  const pair = pairWith(async () => new Lane(pair.channel(false)))
  const opening = watch(pair.opening())
  await turns()
  await pair.clock.advance(pair.limits.helloTimeoutMs - 1)
  assert.equal(opening.isSettled, false, 'who has heard the second hello has given the first stream up')
  await pair.clock.advance(1)
  assert.equal(opening.value?.isClosed, false)
  assert.deepEqual([pair.near[0]?.isEnded, pair.near[1]?.isEnded], [false, true])
})

test('a breach of the protocol at the bulk port is one of the link', async () => {
  const pair = pairWith(async () => {
    const channel = pair.channel(false)
    pair.far.at(-1)?.write(new Uint8Array(64).fill(0xff))
    return new Lane(channel)
  })
  const opening = pair.opening()
  await turns()
  await assert.rejects(opening, PeerProtocolError)
  assert.equal(pair.closings.filter((error) => error instanceof PeerProtocolError).length, 1)
  assert.equal(pair.near[0]?.isEnded, true)
})

test('a peer that ends its first stream while the second is opened has no link', async () => {
  const pair = pairWith(async () => {
    pair.far[0]?.close()
    await turns()
    return undefined
  })
  assert.ok((await pair.link()).isClosed)
})
