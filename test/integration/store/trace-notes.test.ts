import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { IndexDatabase } from '../../../src/store/index-database.ts'
import { TraceNotes } from '../../../src/store/trace-notes.ts'
import { silentLogger } from '../../../src/telemetry/index.ts'
import { openStore, storeFolder } from '../../support/store-lab.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

function layer(name: string | number) {
  return digestOf(Buffer.from(String(name)))
}

test('traces are remembered across a restart, the newest of each layer', async (t) => {
  const dir = await storeFolder(t)
  const clock = new VirtualClock()
  const store = await openStore({ dir, clock })
  store.putTrace(layer('a'), { sizeBytes: 9, offsets: [1] })
  store.putTrace(layer('a'), { sizeBytes: 2 ** 43, offsets: [2 ** 42, 0] })
  await store.close()
  assert.equal(store.getTrace(layer('a')), undefined, 'nothing of a closed store')
  const again = await openStore({ dir, clock })
  assert.deepEqual(again.getTrace(layer('a')), {
    sizeBytes: 2 ** 43,
    offsets: [2 ** 42, 0],
    notedAtMs: clock.wallTime(),
  })
  assert.equal(again.getTrace(layer('b')), undefined)
  await again.close()
})

test('the oldest traces are given up when there are too many', async (t) => {
  const clock = new VirtualClock()
  const database = new IndexDatabase(join(await storeFolder(t), 'index.db'), silentLogger())
  const notes = new TraceNotes({ database, clock }, 3)
  for (let i = 0; i < 5; i++) {
    await clock.advance(1)
    notes.put(layer(i), { sizeBytes: 10, offsets: [i] })
  }
  const kept = [0, 1, 2, 3, 4].filter((i) => notes.get(layer(i)) !== undefined)
  assert.deepEqual(kept, [2, 3, 4])
  database.close()
})

test('a trace that the disk has spoiled is none', async (t) => {
  const database = new IndexDatabase(join(await storeFolder(t), 'index.db'), silentLogger())
  const notes = new TraceNotes({ database, clock: new VirtualClock() })
  for (const offsets of ['[1,', '{"a":1}', '["x"]', '[0.5]', JSON.stringify(Array(513).fill(0))]) {
    database.run('INSERT OR REPLACE INTO traces VALUES (?, ?, ?, ?)', layer('a'), 10, offsets, 0)
    assert.equal(notes.get(layer('a')), undefined, offsets)
  }
  database.close()
})
