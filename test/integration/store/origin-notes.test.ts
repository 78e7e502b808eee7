import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { IndexDatabase } from '../../../src/store/index-database.ts'
import { OriginNotes } from '../../../src/store/origin-notes.ts'
import { silentLogger } from '../../../src/telemetry/index.ts'
import { openStore, storeFolder } from '../../support/store-lab.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const origin = { namespace: 'docker.io', repository: 'library/nginx' }
const digest = digestOf(Buffer.from('blob'))

test('tags, history and access are remembered across a restart', async (t) => {
  const dir = await storeFolder(t)
  const clock = new VirtualClock()
  const tag = { digest, mediaType: 'text/json', sizeBytes: 7, checkedAtMs: 12 }
  const store = await openStore({ dir, clock })
  store.putTag(origin, 'latest', { ...tag, checkedAtMs: 5 })
  store.putTag(origin, 'latest', tag)
  store.noteHistory(digest, { ...origin, sizeBytes: 9 })
  await clock.advance(1000)
  store.noteHistory(digest, { namespace: 'quay.io', repository: 'a/b', mediaType: 'x/y' })
  store.noteAccess(origin)
  await store.close()
  const again = await openStore({ dir, clock })
  assert.deepEqual(again.getTag(origin, 'latest'), tag)
  assert.equal(again.getTag(origin, 'other'), undefined)
  assert.deepEqual(again.historyOf(digest), [
    { namespace: 'quay.io', repository: 'a/b', mediaType: 'x/y' },
    { ...origin, sizeBytes: 9 },
  ])
  assert.equal(again.access(origin), clock.wallTime())
  assert.equal(again.access({ ...origin, repository: 'other' }), undefined)
  await again.close()
})

test('seeing a digest again moves the place to the front and keeps what was known of it', async (t) => {
  const clock = new VirtualClock()
  const store = await openStore({ dir: await storeFolder(t), clock })
  store.noteHistory(digest, { ...origin, sizeBytes: 9 })
  await clock.advance(10)
  store.noteHistory(digest, { namespace: 'quay.io', repository: 'a/b' })
  await clock.advance(10)
  store.noteHistory(digest, origin)
  assert.deepEqual(store.historyOf(digest)[0], { ...origin, sizeBytes: 9 })
  for (let number = 0; number < 40; number++) store.noteHistory(digest, { ...origin, repository: `r${number}` })
  assert.equal(store.historyOf(digest).length, 16)
  await store.close()
})

test('history is recalled as it was noted last, and no longer than it is kept', async (t) => {
  const clock = new VirtualClock()
  const database = new IndexDatabase(join(await storeFolder(t), 'index.db'), silentLogger())
  const notes = new OriginNotes({ database, clock }, 1)
  assert.deepEqual(notes.historyOf(digest), [])
  notes.noteHistory(digest, origin)
  assert.deepEqual(notes.historyOf(digest), [origin])
  notes.noteHistory(digest, { ...origin, sizeBytes: 9 })
  for (const time of ['first', 'second']) assert.deepEqual(notes.historyOf(digest), [{ ...origin, sizeBytes: 9 }], time)
  await clock.advance(1)
  for (let number = 0; number < 1_000; number++) notes.noteHistory(digestOf(Buffer.from(`${number}`)), origin)
  assert.deepEqual(notes.historyOf(digest), [])
  database.close()
})

test('the oldest notes go once there are too many', async (t) => {
  const clock = new VirtualClock()
  const database = new IndexDatabase(join(await storeFolder(t), 'index.db'), silentLogger())
  const notes = new OriginNotes({ database, clock }, 100)
  for (let number = 0; number < 2000; number++) {
    await clock.advance(number % 100 === 0 ? 1 : 0)
    notes.noteAccess({ namespace: 'r', repository: `${number}` })
  }
  const [row] = database.all('SELECT count(*) AS rows FROM access')
  assert.ok(Number(row?.['rows']) < 100 + 512)
  assert.equal(notes.access({ namespace: 'r', repository: '0' }), undefined)
  assert.notEqual(notes.access({ namespace: 'r', repository: '1999' }), undefined)
  database.close()
})
