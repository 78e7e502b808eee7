import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gridCutter, gridLayout, MAX_BLOB_BYTES } from '../../../src/chunking/index.ts'
import { digestOf } from '../../../src/core/index.ts'

const MIB = 1024 * 1024

test('cuts a small blob into chunks of 1 MiB with a shorter last one', () => {
  const layout = gridLayout(2 * MIB + 5)
  assert.equal(layout.chunkCount, 3)
  assert.deepEqual([layout.lengthOf(0), layout.lengthOf(1), layout.lengthOf(2)], [MIB, MIB, 5])
  assert.equal(layout.offsetOf(2), 2 * MIB)
  assert.deepEqual(
    [layout.chunkAt(0), layout.chunkAt(MIB - 1), layout.chunkAt(MIB), layout.chunkAt(2 * MIB + 4)],
    [0, 0, 1, 2],
  )
})

test('doubles the chunk once 4096 chunks would not do', () => {
  assert.equal(gridLayout(4096 * MIB).chunkBytes, MIB)
  assert.equal(gridLayout(4096 * MIB + 1).chunkBytes, 2 * MIB)
  assert.equal(gridLayout(MAX_BLOB_BYTES).chunkCount, 4096)
})

test('an empty blob has no chunks', () => {
  const layout = gridLayout(0)
  assert.equal(layout.chunkCount, 0)
  assert.throws(() => layout.offsetOf(0), RangeError)
  assert.throws(() => layout.chunkAt(0), RangeError)
})

test('refuses a size, a chunk or an offset that cannot be', () => {
  for (const size of [-1, 1.5, Number.NaN, MAX_BLOB_BYTES + 1]) assert.throws(() => gridLayout(size), RangeError)
  const layout = gridLayout(10)
  for (const chunk of [-1, 1, 0.5]) assert.throws(() => layout.lengthOf(chunk), RangeError)
  for (const offset of [-1, 10, Number.NaN]) assert.throws(() => layout.chunkAt(offset), RangeError)
})

test('the grid cutter cuts by size alone', () => {
  const layout = gridCutter.cut({ digest: digestOf(new Uint8Array()), sizeBytes: 3 * MIB })
  assert.equal(layout.kind, 'grid')
  assert.equal(layout.chunkCount, 3)
})
