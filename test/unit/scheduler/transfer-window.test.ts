import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TransferWindow, type WindowShare } from '../../../src/scheduler/transfer-window.ts'

const CHUNK = 10
const QUICK_MS = 50
const SLOW_MS = 2_000

function bench(maxChunks = 64, downloads = 1) {
  const window = new TransferWindow(maxChunks * CHUNK)
  const told: number[] = []
  const shares = Array.from({ length: downloads }, (_, i) =>
    window.join({ chunkBytes: CHUNK, onRoom: () => told.push(i) }),
  )
  return { window, told, shares: shares as [WindowShare, ...WindowShare[]] }
}

/** Keeps the window full while `count` chunks arrive that were `tookMs` on their way each. */
function carry(share: WindowShare, count: number, tookMs: number) {
  for (let i = 0; i < count; i++) {
    while (share.freeChunks > 0) share.take(CHUNK)
    share.arrived(CHUNK, tookMs)
    share.give(CHUNK)
  }
}

test('begins with enough for an uplink always to have a queue, and never has less', () => {
  const { window, shares } = bench()
  assert.equal(window.sizeBytes, 8 * CHUNK)
  carry(shares[0], 100, SLOW_MS)
  assert.equal(window.sizeBytes, 8 * CHUNK)
})

test('grows while it is full and chunks are quick, up to its bound', () => {
  const { window, shares } = bench(20)
  carry(shares[0], 6, QUICK_MS)
  assert.equal(window.sizeBytes, 14 * CHUNK)
  carry(shares[0], 100, QUICK_MS)
  assert.equal(window.sizeBytes, 20 * CHUNK)
})

test('stays as it is while nobody needs all of it', () => {
  const { window, shares } = bench()
  for (let i = 0; i < 50; i++) {
    shares[0].take(CHUNK)
    shares[0].arrived(CHUNK, QUICK_MS)
    shares[0].give(CHUNK)
  }
  assert.equal(window.sizeBytes, 8 * CHUNK)
})

test('shrinks when most chunks of a round are slow, then grows by about one chunk a round', () => {
  const { window, shares } = bench()
  carry(shares[0], 100, QUICK_MS)
  assert.equal(window.sizeBytes, 64 * CHUNK)
  for (let i = 0; i < 2 * 64 && window.sizeBytes === 64 * CHUNK; i++) carry(shares[0], 1, SLOW_MS)
  assert.ok(window.sizeBytes < 46 * CHUNK, `${window.sizeBytes}`)
  const shrunkBytes = window.sizeBytes
  carry(shares[0], Math.ceil(shrunkBytes / CHUNK), QUICK_MS)
  assert.ok(window.sizeBytes > shrunkBytes && window.sizeBytes < shrunkBytes + 2 * CHUNK, `${window.sizeBytes}`)
})

test('one slow peer among quick ones does not shrink it', () => {
  const { window, shares } = bench()
  carry(shares[0], 100, QUICK_MS)
  for (let i = 0; i < 50; i++) {
    carry(shares[0], 3, QUICK_MS)
    carry(shares[0], 1, SLOW_MS)
  }
  assert.equal(window.sizeBytes, 64 * CHUNK)
})

test('a download alone may have all of it; when others lack room it gets no more than an even part', () => {
  const { shares, told } = bench(64, 3)
  const [first, second, third] = shares as [WindowShare, WindowShare, WindowShare]
  while (first.freeChunks > 0) first.take(CHUNK)
  assert.equal(first.usedBytes, 8 * CHUNK)
  // One chunk each at once, however full it is.
  assert.equal(second.freeChunks, 1)
  second.take(CHUNK)
  second.planned(true)
  third.take(CHUNK)
  third.planned(true)
  for (let i = 0; i < 3; i++) first.give(CHUNK)
  assert.deepEqual(told, [1, 2])
  assert.equal(second.freeChunks, 1)
  second.planned(true)
  assert.equal(first.freeChunks, 0)
})

test('a download that closes leaves its part to the others', () => {
  const { shares, told } = bench(64, 2)
  const [first, second] = shares as [WindowShare, WindowShare]
  while (first.freeChunks > 0) first.take(CHUNK)
  second.take(CHUNK)
  second.planned(true)
  first.close()
  first.close()
  assert.deepEqual(told, [1])
  assert.equal(second.freeChunks, 7)
})
