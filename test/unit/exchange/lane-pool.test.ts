import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lane } from '../../../src/exchange/lane.ts'
import { turns, watch } from '../../support/exchange-bench.ts'
import { ExchangePair } from '../../support/exchange-pair.ts'
import type { MemoryChannel } from '../../support/memory-carrier.ts'

const quiet = { onBitfield() {}, onHave() {}, onPeers() {}, onClosed() {} }

/** A link whose lanes are all slow at first; `upgrade` brings a fast one for each, in the order of opening. */
async function slowLink(maxLanes: number) {
  const pair = new ExchangePair({ maxLanes, chunkCount: 16 })
  const slow: MemoryChannel[] = []
  const fast: MemoryChannel[] = []
  const later: PromiseWithResolvers<Lane | undefined>[] = []
  let isFastUp = () => false
  pair.openLane = async (_bulkPort, options) => {
    isFastUp = options.isFastUp
    const faster = Promise.withResolvers<Lane | undefined>()
    later.push(faster)
    const channel = pair.channel()
    slow.push(channel)
    return { lane: new Lane(channel), isFast: false, faster: faster.promise }
  }
  const upgrade = async () => {
    const channel = pair.channel()
    fast.push(channel)
    later.shift()?.resolve(new Lane(channel))
    await turns()
  }
  const link = await pair.link()
  /** Whether the other end has seen the end of a lane. */
  const isOver = (near: MemoryChannel) => pair.far[pair.near.indexOf(near)]?.isEnded === true
  return {
    pair,
    link,
    slow,
    fast,
    later,
    upgrade,
    isOver,
    isFastUp: () => isFastUp(),
    blob: link.follow(pair.supply.blob.ref, [], quiet),
  }
}

test('a slow lane that is free gives way to a fast one at once', async () => {
  const { link, slow, upgrade, isOver, isFastUp, blob } = await slowLink(1)
  await blob.request(0, {})
  assert.equal(isFastUp(), false)
  await upgrade()
  assert.equal(link.laneCount, 1)
  assert.deepEqual([slow.map(isOver), isFastUp()], [[true], true])
  assert.equal((await blob.request(1, {})).chunk, 1)
  assert.equal(slow.length, 1)
})

test('a slow lane under way finishes its want and takes no other', async () => {
  const { pair, link, slow, fast, upgrade, isOver, blob } = await slowLink(2)
  await Promise.all([blob.request(0, {}), blob.request(1, {})])
  for (const lane of slow) lane.holdAfter(100_000)
  const held = [watch(blob.request(2, {})), watch(blob.request(3, {}))]
  const queued = [4, 5, 6, 7].map((chunk) => watch(blob.request(chunk, {})))
  await upgrade()
  await upgrade()
  await turns(100)
  assert.deepEqual([queued.every(({ isSettled }) => isSettled), link.laneCount, pair.near.length], [true, 4, 5])
  assert.deepEqual(
    held.map(({ isSettled }) => isSettled),
    [false, false],
  )
  for (const lane of slow) lane.hold(false)
  await turns()
  assert.deepEqual(
    held.map(({ value }) => value?.chunk),
    [2, 3],
  )
  assert.equal(link.laneCount, 2)
  assert.deepEqual([...slow, ...fast].map(isOver), [true, true, false, false])
})

test('of two free lanes the fast one takes the want', async () => {
  const { slow, fast, upgrade, isOver, blob } = await slowLink(2)
  await Promise.all([blob.request(0, {}), blob.request(1, {})])
  await upgrade()
  slow.find((lane) => !isOver(lane))?.hold(true)
  assert.equal((await blob.request(2, {})).chunk, 2)
  assert.equal(fast.length, 1)
})

test('a fast lane that nobody needs any more is closed', async () => {
  const { pair, link, slow, fast, upgrade, isOver, later, blob } = await slowLink(1)
  await blob.request(0, {})
  slow[0]?.abort(new Error('gone'))
  await turns()
  await blob.request(1, {})
  await upgrade()
  await upgrade()
  await turns()
  assert.deepEqual([link.laneCount, later.length], [1, 0])
  assert.deepEqual(fast.map(isOver), [false, true])
  assert.equal(pair.breaches.length, 0)
})

test('a fast lane that comes after the end is ended, and the link waits for it', async () => {
  const { link, fast, upgrade, isOver, blob } = await slowLink(1)
  await blob.request(0, {})
  link.close()
  await turns()
  const finished = watch(link.finished())
  await turns()
  assert.equal(finished.isSettled, false)
  await upgrade()
  assert.deepEqual([finished.isSettled, fast.map(isOver), link.laneCount], [true, [true], 0])
})
