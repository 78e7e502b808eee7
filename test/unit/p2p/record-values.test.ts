import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepCopies, type RecordDatastore } from '../../../src/p2p/record-values.ts'

test('a value that is kept does not hold the slab it was cut from', () => {
  const kept: Uint8Array[] = []
  const store = { put: (_key: unknown, value: Uint8Array) => void kept.push(value) } as unknown as RecordDatastore
  const slab = new Uint8Array(65_536).fill(7)

  keepCopies(store)
  void store.put(undefined as never, slab.subarray(100, 108))

  assert.deepEqual(kept, [new Uint8Array(8).fill(7)])
  assert.equal(kept[0]?.buffer.byteLength, 8)
})
