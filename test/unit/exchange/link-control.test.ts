import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { Lane } from '../../../src/exchange/lane.ts'
import { turns } from '../../support/exchange-bench.ts'
import { ExchangePair } from '../../support/exchange-pair.ts'

const quiet = { onBitfield() {}, onHave() {}, onPeers() {}, onClosed() {} }

/** A link whose bulk port could not be used at first. */
async function slowLink() {
  const pair = new ExchangePair({ bulkPort: 4001 })
  const link = await pair.link()
  const follow = () => link.follow(pair.supply.blob.ref, [], quiet)
  return { pair, link, follow }
}

test('a control stream moves over to TLS once nothing is followed any more', async () => {
  const { pair, link, follow } = await slowLink()
  const following = follow()
  await turns()
  pair.openFastControl = async () => new Lane(pair.channel())
  following.close()
  await turns()
  assert.equal(pair.moves, 1)
  assert.deepEqual([pair.near[0]?.isEnded, pair.near[1]?.isEnded], [true, false])
  assert.deepEqual(pair.closings, [], 'the link is the same')
  follow()
  await turns()
  assert.equal(pair.supply.publishers.length, 2, 'what is followed then is heard there')
  link.close()
  await turns()
  assert.deepEqual([link.isClosed, pair.closings.length], [true, 1])
})

test('what is followed right behind the move is heard, and what is announced then too', async () => {
  const { pair, link, follow } = await slowLink()
  const digest = digestOf(new Uint8Array(1))
  const opened = Promise.withResolvers<Lane>()
  pair.openFastControl = async () => await opened.promise
  follow().close()
  await turns()
  opened.resolve(new Lane(pair.channel()))
  await Promise.resolve()
  await Promise.resolve()
  await Promise.resolve()
  assert.equal(pair.moves, 1)
  follow()
  link.announce([digest], true)
  await turns()
  assert.equal(pair.supply.publishers.length, 1, 'the first was left before it was served')
  assert.deepEqual(pair.breaches, [])
  assert.equal(link.isClosed, false)
})

test('it does not move while something is followed', async () => {
  const { pair, follow } = await slowLink()
  let attempts = 0
  pair.openFastControl = async () => {
    attempts++
    return new Lane(pair.channel())
  }
  follow()
  follow().close()
  await turns()
  assert.deepEqual([attempts, pair.moves], [0, 0])
})

test('a socket that comes when something is followed again is not used', async () => {
  const { pair, follow } = await slowLink()
  const opened = Promise.withResolvers<Lane>()
  pair.openFastControl = async () => await opened.promise
  follow().close()
  follow()
  const lane = new Lane(pair.channel())
  opened.resolve(lane)
  await turns()
  assert.ok(lane.isClosed)
  assert.equal(pair.moves, 0)
  assert.equal(pair.near[0]?.isEnded, false)
})

test('a peer that says no hello after the move ends the link', async () => {
  const { pair, link, follow } = await slowLink()
  pair.openFastControl = async () => new Lane(pair.channel(false))
  follow().close()
  await turns()
  assert.equal(pair.moves, 1)
  await pair.clock.advance(pair.limits.helloTimeoutMs)
  assert.ok(link.isClosed)
  assert.equal(pair.closings.length, 1)
})

test('an attempt that is under way when the link ends moves nothing', async () => {
  const { pair, link, follow } = await slowLink()
  let attempt: AbortSignal | undefined
  pair.openFastControl = async (_port, { signal }) => {
    attempt = signal
    return await new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
  }
  follow().close()
  await turns()
  assert.equal(attempt?.aborted, false)
  link.close()
  await turns()
  assert.equal(attempt?.aborted, true)
  assert.deepEqual([pair.moves, pair.closings.length], [0, 1])
})
