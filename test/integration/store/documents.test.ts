import assert from 'node:assert/strict'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestHex, digestOf } from '../../../src/core/index.ts'
import { DocumentInvalidError, StoreFullError } from '../../../src/store/index.ts'
import { FaultyFileSystem } from '../../support/faulty-file-system.ts'
import { openStore, storeFolder } from '../../support/store-lab.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

function documentOf(text: string, mediaType = 'application/vnd.oci.image.manifest.v1+json') {
  const bytes = Buffer.from(text)
  return { digest: digestOf(bytes), mediaType, bytes }
}

test('a document comes back with its media type, also after a restart', async (t) => {
  const dir = await storeFolder(t)
  const document = documentOf('{"a":\n1}')
  const store = await openStore({ dir })
  await store.putDocument(document)
  await store.putDocument(document)
  await store.close()
  const again = await openStore({ dir })
  const found = await again.getDocument(document.digest)
  assert.deepEqual([found?.mediaType, Buffer.from(found?.bytes ?? [])], [document.mediaType, document.bytes])
  assert.deepEqual([again.usage().documentCount, again.usage().usedBytes], [1, 4096])
  assert.equal(await again.getDocument(documentOf('other').digest), undefined)
  await again.close()
})

test('refuses a document that is not what its digest says, too long, or of no media type', async (t) => {
  const store = await openStore({ dir: await storeFolder(t) })
  const good = documentOf('{}')
  await assert.rejects(store.putDocument({ ...good, bytes: Buffer.from('{ }') }), DocumentInvalidError)
  await assert.rejects(store.putDocument(documentOf('x'.repeat(4 * 1024 * 1024 + 1))), DocumentInvalidError)
  await assert.rejects(store.putDocument({ ...good, mediaType: 'a\nb' }), DocumentInvalidError)
  await store.close()
})

test('a document that was damaged on disk is as good as absent', async (t) => {
  const dir = await storeFolder(t)
  const document = documentOf('{}')
  const store = await openStore({ dir })
  await store.putDocument(document)
  const hex = digestHex(document.digest)
  await writeFile(join(dir, 'v1', 'documents', hex.slice(0, 2), hex), 'text/plain\n{ }')
  assert.equal(await store.getDocument(document.digest), undefined)
  assert.equal(store.usage().documentCount, 0)
  assert.deepEqual(await readdir(join(dir, 'v1', 'documents', hex.slice(0, 2))), [])
  await store.close()
})

test('documents are evicted like blobs, the longest unused first', async (t) => {
  const clock = new VirtualClock()
  const store = await openStore({ dir: await storeFolder(t), quotaBytes: 3 * 4096, clock })
  const documents = ['1', '2', '3'].map((text) => documentOf(text)) as [
    ReturnType<typeof documentOf>,
    ReturnType<typeof documentOf>,
    ReturnType<typeof documentOf>,
  ]
  for (const document of documents.slice(0, 2)) {
    await store.putDocument(document)
    await clock.advance(1000)
  }
  await store.getDocument(documents[0].digest)
  await store.putDocument(documents[2])
  assert.equal(await store.getDocument(documents[1].digest), undefined)
  assert.equal((await store.getDocument(documents[0].digest))?.bytes.byteLength, 1)
  await store.close()
})

test('a disk without room for a document says so', async (t) => {
  const files = new FaultyFileSystem()
  const store = await openStore({ dir: await storeFolder(t), files })
  files.decide = ({ name }) => (name === 'write' ? 'ENOSPC' : 'pass')
  await assert.rejects(store.putDocument(documentOf('{}')), StoreFullError)
  assert.equal(store.usage().documentCount, 0)
  await store.close()
})
