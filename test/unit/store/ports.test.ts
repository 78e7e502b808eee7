import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkStore, StoredBlob } from '../../../src/scheduler/ports.ts'
import type { OpenBlob, Store } from '../../../src/store/index.ts'

test('the store has the shape the scheduler asks for', () => {
  const asChunkStore = (store: Store): ChunkStore => store
  const asStoredBlob = (blob: OpenBlob): StoredBlob => blob
  assert.deepEqual([typeof asChunkStore, typeof asStoredBlob], ['function', 'function'])
})
