import assert from 'node:assert/strict'
import { test } from 'node:test'
import { excessBytes, missingBytes, planEviction, type SpaceState } from '../../../src/store/eviction-policy.ts'

const roomy: SpaceState = { quotaBytes: 1000, minFreeBytes: 100, usedBytes: 0, reservedBytes: 0, freeBytes: 1e6 }

const old = { name: 'old', freesBytes: 300, lastUsedMs: 1, rarity: 0 }
const recent = { name: 'recent', freesBytes: 300, lastUsedMs: 9, rarity: 0 }
const rare = { name: 'rare', freesBytes: 300, lastUsedMs: 0, rarity: 1 }

test('nothing goes below the high water mark', () => {
  assert.equal(excessBytes({ ...roomy, usedBytes: 900, reservedBytes: 50 }), 0)
  assert.deepEqual(planEviction({ ...roomy, usedBytes: 900 }, [old]), [])
})

test('above the high water mark it goes on to the low one', () => {
  assert.equal(excessBytes({ ...roomy, usedBytes: 900, reservedBytes: 60 }), 110)
  assert.deepEqual(planEviction({ ...roomy, usedBytes: 960 }, [recent, old]), [old])
})

test('goes by last use, the rare last of all', () => {
  const state = { ...roomy, usedBytes: 900, reservedBytes: 600 }
  assert.deepEqual(planEviction(state, [rare, recent, old]), [old, recent, rare])
})

test('what is not enough is not begun', () => {
  const state = { ...roomy, usedBytes: 900, reservedBytes: 900 }
  assert.equal(missingBytes(state), 800)
  assert.equal(planEviction(state, [old, recent]), undefined)
})

test('between the marks and the quota it takes what there is', () => {
  assert.deepEqual(planEviction({ ...roomy, usedBytes: 0, reservedBytes: 990 }, []), [])
})

test('a disk that others fill counts as well as the quota', () => {
  const state = { ...roomy, usedBytes: 400, reservedBytes: 50, freeBytes: 120 }
  assert.equal(missingBytes(state), 30)
  assert.equal(excessBytes(state), 40)
  assert.deepEqual(planEviction(state, [recent, old]), [old])
})

test('what gives nothing back is left alone', () => {
  const empty = { ...old, freesBytes: 0 }
  assert.deepEqual(planEviction({ ...roomy, usedBytes: 960 }, [empty, recent]), [recent])
})
