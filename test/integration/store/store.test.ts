import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ChunkMapError, gridCutter, signChunkMap, TocLayout } from '../../../src/chunking/index.ts'
import { type Digest, digestHex, digestOf, sha256 } from '../../../src/core/index.ts'
import {
  BlobSizeConflictError,
  ChunkNotHeldError,
  StoreFailedError,
  StoreFullError,
  StoreLockedError,
} from '../../../src/store/index.ts'
import { Metrics } from '../../../src/telemetry/index.ts'
import { BufferPool } from '../../../src/util/index.ts'
import { chunkMapOf, mapSigner } from '../../support/chunk-maps.ts'
import { FaultyFileSystem } from '../../support/faulty-file-system.ts'
import {
  fill,
  openStore,
  patternBlob,
  storeFolder,
  storeWhole,
  TEST_CHUNK_BYTES,
  testBlob,
} from '../../support/store-lab.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const blobA = patternBlob([1, 2, 3, 4], 10)
const blobB = patternBlob([9, 2, 8], 30)
const longBlob = patternBlob([...Array(20).keys()])

test('holds a chunk once its write resolves and reads any range of held chunks', async (t) => {
  const store = await openStore({ dir: await storeFolder(t) })
  const open = await store.open(blobA.ref)
  assert.equal(open.has(1), false)
  await fill(open, blobA, [1, 2])
  assert.deepEqual([open.has(0), open.has(1), open.heldCount], [false, true, 2])
  assert.deepEqual(Buffer.from(open.digestAt(1) ?? []), Buffer.from(blobA.digest(1)))
  assert.equal(open.digestAt(0), undefined)
  assert.deepEqual(Buffer.from(await open.read(70, 100)), blobA.bytes.subarray(70, 170))
  assert.equal((await open.read(64, 0)).byteLength, 0)
  await assert.rejects(open.read(0, 70), ChunkNotHeldError)
  await assert.rejects(open.read(0, 1e6), RangeError)
  open.release()
  await store.close()
})

test('a complete blob is complete after a restart, an unfinished one keeps what it has', async (t) => {
  const dir = await storeFolder(t)
  const first = await openStore({ dir })
  await storeWhole(first, blobA)
  const partly = await first.open(blobB.ref)
  await fill(partly, blobB, [0, 2])
  partly.release()
  await first.close()
  const second = await openStore({ dir })
  assert.equal(second.find(blobA.ref.digest)?.isComplete, true)
  const open = await second.open(blobB.ref)
  assert.deepEqual([open.has(0), open.has(1), open.has(2), open.isComplete], [true, false, true, false])
  assert.deepEqual(Buffer.from(await open.read(128, 30)), blobB.bytes.subarray(128))
  open.release()
  await second.close()
})

test('everything is found again without the index', async (t) => {
  const dir = await storeFolder(t)
  const first = await openStore({ dir })
  await storeWhole(first, blobA)
  const document = { digest: digestOf(Buffer.from('{}')), mediaType: 'application/json', bytes: Buffer.from('{}') }
  await first.putDocument(document)
  await first.close()
  await writeFile(join(dir, 'v1', 'index.db'), 'no database at all')
  const second = await openStore({ dir })
  assert.deepEqual(
    second.list().map(({ digest, isComplete }) => ({ digest, isComplete })),
    [{ digest: blobA.ref.digest, isComplete: true }],
  )
  assert.equal((await second.getDocument(document.digest))?.mediaType, 'application/json')
  await second.close()
})

test('drops chunks of an unfinished blob that changed on disk while it was stopped', async (t) => {
  const dir = await storeFolder(t)
  const first = await openStore({ dir })
  const open = await first.open(blobA.ref)
  await fill(open, blobA)
  await first.close()
  const path = join(dir, 'v1', 'blobs', digestHex(blobA.ref.digest).slice(0, 2), `${digestHex(blobA.ref.digest)}.data`)
  const bytes = await readFile(path)
  bytes[70] = 0xee
  await writeFile(path, bytes)
  const second = await openStore({ dir })
  const again = await second.open(blobA.ref)
  assert.deepEqual([again.has(0), again.has(1), again.has(2), again.heldCount], [true, false, true, 3])
  await fill(again, blobA, [1])
  assert.equal(await again.verifyWhole(), true)
  await second.close()
})

test('drops every chunk and the files when the whole is not what its digest says', async (t) => {
  const dir = await storeFolder(t)
  const store = await openStore({ dir })
  const wrong = { ...blobA, ref: { digest: digestOf(Buffer.from('another')), sizeBytes: blobA.ref.sizeBytes } }
  const open = await store.open(wrong.ref)
  await fill(open, wrong)
  assert.equal(await open.verifyWhole(), false)
  assert.deepEqual([open.heldCount, open.isComplete, open.has(0)], [0, false, false])
  await fill(open, wrong, [2])
  assert.deepEqual(Buffer.from(await open.read(128, 5)), blobA.bytes.subarray(128, 133))
  open.release()
  await store.close()
})

test('says that a blob is gone when the whole of it was found wrong', async (t) => {
  const removed: Digest[] = []
  const store = await openStore({ dir: await storeFolder(t), onRemoved: (digest) => removed.push(digest) })
  t.after(() => store.close())
  const wrong = { ...blobA, ref: { ...blobA.ref, digest: digestOf(Buffer.from('other')) } }
  const open = await store.open(wrong.ref)
  await fill(open, wrong)
  assert.equal(await open.verifyWhole(), false)
  open.release()
  assert.deepEqual(removed, [wrong.ref.digest])
})

test('keeps the chunk map with the blob, and drops one that is damaged or of another blob', async (t) => {
  const dir = await storeFolder(t)
  const bytes = Buffer.alloc(1024 * 1024 + 3, 'map')
  const map = await signChunkMap(chunkMapOf(bytes), await mapSigner(1))
  const first = await openStore({ dir, cutter: gridCutter })
  const open = await first.open(map.map.blob)
  await assert.rejects(
    open.setMap(await signChunkMap(chunkMapOf(Buffer.alloc(5)), await mapSigner(1))),
    (error) => error instanceof ChunkMapError,
  )
  await Promise.all([open.setMap(map), open.setMap(map)])
  open.release()
  assert.equal((await first.open(map.map.blob)).map?.map.equals(map.map), true)
  await first.close()
  const second = await openStore({ dir, cutter: gridCutter })
  const again = await second.open(map.map.blob)
  assert.deepEqual([again.map?.signer, again.map?.map.equals(map.map)], [map.signer, true])
  await second.close()
  const path = join(
    dir,
    'v1',
    'blobs',
    digestHex(map.map.blobDigest).slice(0, 2),
    `${digestHex(map.map.blobDigest)}.map`,
  )
  await writeFile(path, (await readFile(path)).fill(1, 40, 50))
  const third = await openStore({ dir, cutter: gridCutter })
  assert.equal((await third.open(map.map.blob)).map, undefined)
  await third.close()
})

test('keeps how a blob was cut over restarts, and takes chunks from blobs cut in another way', async (t) => {
  const dir = await storeFolder(t)
  const bytes = Buffer.from(Array.from({ length: 300 }, (_, index) => index & 0xff))
  const layout = new TocLayout(Float64Array.from([10, 10 + TEST_CHUNK_BYTES, 300]))
  const ref = { digest: digestOf(bytes), sizeBytes: 300 }
  const partOf = (chunk: number) =>
    bytes.subarray(layout.offsetOf(chunk), layout.offsetOf(chunk) + layout.lengthOf(chunk))
  const same = testBlob(Buffer.from(partOf(1)))
  const first = await openStore({ dir, layoutOf: ({ digest }) => (digest === ref.digest ? layout : undefined) })
  await storeWhole(first, same)
  const open = await first.open(ref)
  assert.equal(open.canAdopt(sha256(partOf(1))), true)
  assert.equal(open.canAdopt(sha256(partOf(0))), false)
  assert.equal(await open.adopt(1, sha256(partOf(1))), true)
  for (const chunk of [0, 2]) await open.write(chunk, partOf(chunk), sha256(partOf(chunk)))
  assert.equal(await open.verifyWhole(), true)
  assert.equal(first.layoutOf(ref)?.fingerprint, layout.fingerprint)
  assert.equal(first.layoutOf({ ...ref, sizeBytes: 299 }), undefined)
  await first.close()
  const second = await openStore({ dir })
  assert.equal(second.layoutOf(ref)?.fingerprint, layout.fingerprint)
  const again = await second.open(ref)
  assert.equal(again.isComplete, true)
  assert.ok(bytes.equals(await again.read(0, 300)))
  await second.close()
  // Without the file that says where its chunks are nothing of it can be told apart.
  const hex = digestHex(ref.digest)
  await rm(join(dir, 'v1', 'blobs', hex.slice(0, 2), `${hex}.cut`))
  const third = await openStore({ dir })
  assert.equal(third.find(ref.digest), undefined)
  assert.deepEqual(
    third.list().map(({ digest }) => digest),
    [same.ref.digest],
  )
  await third.close()
})

test('a blob found wrong loses its map', async (t) => {
  const dir = await storeFolder(t)
  const store = await openStore({ dir, cutter: gridCutter })
  const map = await signChunkMap(chunkMapOf(Buffer.alloc(5, 'right')), await mapSigner(1))
  const open = await store.open(map.map.blob)
  await open.setMap(map)
  await open.write(0, Buffer.alloc(5, 'wrong'), sha256(Buffer.alloc(5, 'wrong')))
  assert.equal(await open.verifyWhole(), false)
  assert.equal(open.map, undefined)
  open.release()
  assert.equal((await store.open(map.map.blob)).map, undefined)
  await store.close()
})

test('closing lets what is under way finish', async (t) => {
  const store = await openStore({ dir: await storeFolder(t) })
  const open = await store.open(blobA.ref)
  const writes = [0, 1, 2].map((chunk) => open.write(chunk, blobA.chunk(chunk), blobA.digest(chunk)))
  await Promise.all([store.close(), Promise.allSettled(writes)])
  assert.equal(open.heldCount, [...Array(4).keys()].filter((chunk) => open.has(chunk)).length)
})

test('verifying with a chunk missing is refused', async (t) => {
  const store = await openStore({ dir: await storeFolder(t) })
  const open = await store.open(blobA.ref)
  await fill(open, blobA, [0])
  await assert.rejects(open.verifyWhole(), ChunkNotHeldError)
  await store.close()
})

test('an empty blob is complete once verified', async (t) => {
  const dir = await storeFolder(t)
  const empty = patternBlob([])
  const store = await openStore({ dir })
  await storeWhole(store, empty)
  assert.equal(store.find(empty.ref.digest)?.isComplete, true)
  await store.close()
  const again = await openStore({ dir })
  assert.equal((await again.open(empty.ref)).isComplete, true)
  await again.close()
})

test('equal chunks are stored once and outlive the blob that brought them', async (t) => {
  const dir = await storeFolder(t)
  const store = await openStore({ dir })
  await storeWhole(store, blobA)
  const before = store.usage().usedBytes
  await storeWhole(store, blobB)
  assert.equal(store.usage().usedBytes - before, TEST_CHUNK_BYTES + 30 + 64 + 3 * 40)
  assert.equal(await store.remove(blobA.ref.digest), true)
  const open = await store.open(blobB.ref)
  assert.equal(open.isComplete, true)
  assert.deepEqual(Buffer.from(await open.read(0, blobB.ref.sizeBytes)), blobB.bytes)
  open.release()
  await store.close()
  const again = await openStore({ dir })
  assert.equal(again.find(blobB.ref.digest)?.isComplete, true)
  assert.equal(again.find(blobA.ref.digest), undefined)
  await again.close()
})

test('a chunk that three blobs share moves on as each of them is removed', async (t) => {
  const store = await openStore({ dir: await storeFolder(t) })
  const sharing = [
    [1, 2],
    [3, 1, 2],
    [2, 4, 1, 2],
  ].map((fills) => patternBlob([...fills, 5]))
  for (const blob of sharing) await storeWhole(store, blob)
  for (const gone of [0, 1]) {
    assert.equal(await store.remove((sharing[gone] as typeof blobA).ref.digest), true)
    for (const blob of sharing.slice(gone + 1)) {
      const open = await store.open(blob.ref)
      assert.equal(open.isComplete, true)
      assert.deepEqual(Buffer.from(await open.read(0, blob.ref.sizeBytes)), blob.bytes)
      open.release()
    }
  }
  await store.close()
})

test('a complete blob is not believed where it takes a chunk from an unfinished one that changed on disk', async (t) => {
  const dir = await storeFolder(t)
  const first = await openStore({ dir })
  const unfinished = await first.open(blobA.ref)
  await fill(unfinished, blobA, [0, 1])
  await storeWhole(first, blobB)
  await first.close()
  const path = join(dir, 'v1', 'blobs', digestHex(blobA.ref.digest).slice(0, 2), `${digestHex(blobA.ref.digest)}.data`)
  const bytes = await readFile(path)
  await writeFile(path, bytes.fill(0))
  const second = await openStore({ dir })
  assert.equal(second.find(blobB.ref.digest)?.isComplete, true, 'nothing was looked at yet')
  const open = await second.open(blobB.ref)
  assert.deepEqual([open.isComplete, open.has(0), open.has(1), open.has(2)], [false, true, false, true])
  await second.close()
})

test('equal chunks within one blob are stored once', async (t) => {
  const store = await openStore({ dir: await storeFolder(t) })
  const zeros = patternBlob([0, 0, 0, 7])
  await storeWhole(store, zeros)
  assert.equal(store.find(zeros.ref.digest)?.bytesOnDisk, 2 * TEST_CHUNK_BYTES + 64 + 4 * 40)
  const open = await store.open(zeros.ref)
  assert.deepEqual(Buffer.from(await open.read(0, zeros.ref.sizeBytes)), zeros.bytes)
  await store.close()
})

test('adopts a chunk another blob holds, and only such a one', async (t) => {
  const store = await openStore({ dir: await storeFolder(t) })
  await storeWhole(store, blobA)
  const open = await store.open(blobB.ref)
  assert.equal(await open.adopt(1, blobB.digest(1)), true)
  assert.equal(await open.adopt(0, blobB.digest(0)), false)
  assert.deepEqual(Buffer.from(await open.read(64, 64)), blobB.chunk(1))
  assert.equal(await store.remove(blobA.ref.digest), false, 'a blob whose chunk is in use is not removed')
  open.release()
  await store.close()
})

test('two handles of one blob share what it holds, and it is pinned until both are released', async (t) => {
  const store = await openStore({ dir: await storeFolder(t) })
  const [one, two] = [await store.open(blobA.ref), await store.open(blobA.ref)]
  await fill(one, blobA, [0])
  assert.equal(two.has(0), true)
  one.release()
  one.release()
  assert.equal(await store.remove(blobA.ref.digest), false)
  await assert.rejects(one.read(0, 1), StoreFailedError)
  two.release()
  assert.equal(await store.remove(blobA.ref.digest), true)
  assert.equal(store.find(blobA.ref.digest), undefined)
  await store.close()
})

test('evicts the longest unused first and never what is open', async (t) => {
  const clock = new VirtualClock()
  const sized = [1, 2, 3, 4].map((seed) => patternBlob(Array.from({ length: 10 }, (_, chunk) => seed * 256 + chunk)))
  const [first, second, third, fourth] = sized as [typeof blobA, typeof blobA, typeof blobA, typeof blobA]
  const oneBlob = 10 * TEST_CHUNK_BYTES + 64 + 400
  const store = await openStore({ dir: await storeFolder(t), quotaBytes: 3.3 * oneBlob, clock })
  for (const blob of [first, second, third]) {
    await storeWhole(store, blob)
    await clock.advance(1000)
  }
  const pinned = await store.open(first.ref)
  await storeWhole(store, fourth)
  assert.notEqual(store.find(first.ref.digest), undefined)
  assert.equal(store.find(second.ref.digest), undefined)
  assert.notEqual(store.find(fourth.ref.digest), undefined)
  pinned.release()
  await store.close()
})

test('evicts rare blobs last', async (t) => {
  const [first, second, third] = [5, 6, 7].map((seed) => patternBlob([seed * 256, seed * 256 + 1])) as [
    typeof blobA,
    typeof blobA,
    typeof blobA,
  ]
  const rarity = (digest: Digest) => (digest === first.ref.digest ? 1 : 0)
  const store = await openStore({ dir: await storeFolder(t), quotaBytes: 700, rarity })
  await storeWhole(store, first)
  await storeWhole(store, second)
  await storeWhole(store, third)
  assert.deepEqual(new Set(store.list().map(({ digest }) => digest)), new Set([first.ref.digest, third.ref.digest]))
  await store.close()
})

test('refuses a blob there is no room for without evicting for it', async (t) => {
  const store = await openStore({ dir: await storeFolder(t), quotaBytes: 1000 })
  await storeWhole(store, blobA)
  const large = patternBlob(Array.from({ length: 20 }, (_, chunk) => 1000 + chunk))
  await assert.rejects(store.open(large.ref), (error) => error instanceof StoreFullError && error.retryable)
  assert.equal(store.find(blobA.ref.digest)?.isComplete, true)
  const small = await store.open(blobB.ref)
  small.release()
  await store.close()
})

test('leaves the disk its free bytes', async (t) => {
  const files = new FaultyFileSystem()
  const store = await openStore({ dir: await storeFolder(t), files, minFreeBytes: 1000 })
  files.freeBytesNow = 1000 + blobA.ref.sizeBytes + 64 + 4 * 40 - 1
  await assert.rejects(store.open(blobA.ref), StoreFullError)
  files.freeBytesNow++
  ;(await store.open(blobA.ref)).release()
  await store.close()
})

test('says whether the rest of a blob would have to push others out', async (t) => {
  const [held, half, large] = [
    patternBlob([1, 2, 3, 4, 5]),
    patternBlob([6, 7, 8, 9]),
    patternBlob([10, 11, 12, 13, 14, 15]),
  ]
  const store = await openStore({ dir: await storeFolder(t), quotaBytes: 1300 })
  await storeWhole(store, held)
  assert.deepEqual([await store.hasRoomFor(half.ref), await store.hasRoomFor(large.ref)], [true, true])
  const open = await store.open(half.ref)
  await fill(open, half, [0, 1])
  // Some 550 bytes are held and 430 set aside, records included; what is set aside already is not counted twice.
  assert.deepEqual([await store.hasRoomFor(half.ref), await store.hasRoomFor(large.ref)], [true, false])
  open.release()
  assert.equal(await store.hasRoomFor(half.ref), true)
  assert.deepEqual(store.list().length, 2, 'asking evicts nothing')
  await store.close()
})

test('says which parts of chunks it would read from memory, without that being a use of them', async (t) => {
  const blob = patternBlob([1, 2])
  const store = await openStore({ dir: await storeFolder(t) })
  await storeWhole(store, blob)
  const open = await store.open(blob.ref)
  assert.equal(open.isInMemory(3, 5), false)
  ;(await open.lend(3, 5)).release()
  const whole = blob.layout.lengthOf(0)
  assert.deepEqual([open.isInMemory(7, 5), open.isInMemory(0, whole), open.isInMemory(whole, 5)], [true, false, false])
  assert.equal(store.usage().memoryBytes, whole)
  open.release()
  await store.close()
})

test('a full disk fails the write, evicts what it can and leaves the chunk not held', async (t) => {
  const files = new FaultyFileSystem()
  const store = await openStore({ dir: await storeFolder(t), files })
  const open = await store.open(blobA.ref)
  await fill(open, blobA, [0])
  files.decide = ({ name }) => (name === 'write' ? 'ENOSPC' : 'pass')
  await assert.rejects(fill(open, blobA, [1]), StoreFullError)
  assert.deepEqual([open.has(1), open.heldCount], [false, 1])
  files.decide = () => 'pass'
  await fill(open, blobA)
  assert.equal(await open.verifyWhole(), true)
  open.release()
  files.decide = ({ name, path }) =>
    name === 'write' && store.find(blobA.ref.digest) && path.endsWith('.data') ? 'ENOSPC' : 'pass'
  const second = await store.open(blobB.ref)
  await fill(second, blobB, [0])
  assert.equal(store.find(blobA.ref.digest), undefined, 'the unused blob made room')
  assert.equal(second.has(0), true)
  await store.close()
})

test('a failing disk fails the write with an error of its own', async (t) => {
  const files = new FaultyFileSystem()
  const store = await openStore({ dir: await storeFolder(t), files })
  const open = await store.open(blobA.ref)
  files.decide = ({ name }) => (name === 'write' ? 'EIO' : 'pass')
  await assert.rejects(fill(open, blobA, [1]), StoreFailedError)
  assert.equal(open.heldCount, 0)
  await store.close()
})

test('a chunk that cannot be read is dropped, also where it is shared', async (t) => {
  const files = new FaultyFileSystem()
  const dir = await storeFolder(t)
  const store = await openStore({ dir, files })
  await storeWhole(store, blobA)
  await storeWhole(store, blobB)
  const open = await store.open(blobB.ref)
  files.decidesReads = true
  files.decide = ({ name }) => (name === 'read' ? 'EIO' : 'pass')
  await assert.rejects(open.read(64, 64), StoreFailedError)
  files.decidesReads = false
  assert.deepEqual([open.has(1), open.isComplete, open.heldCount], [false, false, 2])
  assert.deepEqual([store.find(blobA.ref.digest)?.isComplete, store.find(blobA.ref.digest)?.heldCount], [false, 3])
  await store.close()
  const again = await openStore({ dir })
  assert.deepEqual([again.find(blobA.ref.digest)?.heldCount, again.find(blobB.ref.digest)?.isComplete], [3, false])
  await again.close()
})

test('parts of a chunk are read from disk once, however many ask', async (t) => {
  const metrics = new Metrics()
  const store = await openStore({ dir: await storeFolder(t), metrics })
  const open = await store.open(blobA.ref)
  await fill(open, blobA)
  await Promise.all([open.read(3, 5), open.read(10, 20), open.read(0, 64), open.read(60, 4)])
  await open.read(1, 2)
  assert.match(await metrics.render(), /shoal_store_read_bytes_total 64\n/)
  await store.close()
})

test('a second store in the same directory is refused and told whose it is', async (t) => {
  const dir = await storeFolder(t)
  const store = await openStore({ dir })
  await assert.rejects(openStore({ dir }), (error) => error instanceof StoreLockedError && error.pid === process.pid)
  await store.close()
  await (await openStore({ dir })).close()
})

test('a file where a folder belongs does not keep the store from opening', async (t) => {
  const dir = await storeFolder(t)
  const store = await openStore({ dir })
  await storeWhole(store, blobA)
  await store.close()
  for (const folder of ['blobs', 'documents']) {
    await mkdir(join(dir, 'v1', folder), { recursive: true })
    await writeFile(join(dir, 'v1', folder, 'foreign'), '')
  }
  const again = await openStore({ dir })
  assert.equal(again.find(blobA.ref.digest)?.isComplete, true)
  await again.close()
})

test('a lock that cannot be taken is named', async (t) => {
  const dir = await storeFolder(t)
  await writeFile(join(dir, 'lock.db'), 'no database'.repeat(100))
  await assert.rejects(openStore({ dir }), (error: Error) => {
    assert.ok(error instanceof StoreFailedError)
    assert.ok(error.message.includes(join(dir, 'lock.db')))
    return true
  })
})

test('a blob is not opened with another size than it is known to have', async (t) => {
  const store = await openStore({ dir: await storeFolder(t) })
  await storeWhole(store, blobA)
  const other = { digest: blobA.ref.digest, sizeBytes: 5 }
  await assert.rejects(store.open(other), BlobSizeConflictError)
  const partly = await store.open({ ...blobB.ref, sizeBytes: 70 })
  await partly.write(0, blobB.chunk(0), blobB.digest(0))
  await assert.rejects(store.open(blobB.ref), BlobSizeConflictError)
  partly.release()
  assert.equal((await store.open(blobB.ref)).heldCount, 0, 'an unfinished blob gives way')
  await store.close()
})

test('opening and verifying obey their signal', async (t) => {
  const store = await openStore({ dir: await storeFolder(t) })
  const reason = new DOMException('enough', 'AbortError')
  await assert.rejects(store.open(blobA.ref, { signal: AbortSignal.abort(reason) }), reason)
  const open = await store.open(blobA.ref)
  await fill(open, blobA)
  const { signal } = new AbortController()
  await assert.rejects(open.verifyWhole({ signal: AbortSignal.abort(reason) }), reason)
  await assert.rejects(open.read(0, 1, { signal: AbortSignal.abort(reason) }), reason)
  assert.equal(await open.verifyWhole({ signal }), true)
  await store.close()
})

test('what was never written leaves nothing behind', async (t) => {
  const dir = await storeFolder(t)
  const store = await openStore({ dir })
  ;(await store.open(blobA.ref)).release()
  assert.equal(store.usage().blobCount, 0)
  assert.deepEqual(await readdir(join(dir, 'v1', 'blobs')), [])
  await store.close()
})

test('handles fail after the store is closed', async (t) => {
  const store = await openStore({ dir: await storeFolder(t) })
  const open = await store.open(blobA.ref)
  await fill(open, blobA)
  await store.close()
  await assert.rejects(open.read(0, 64), StoreFailedError)
  await assert.rejects(
    open.write(0, blobA.chunk(0), sha256(blobA.chunk(1))).then(() => open.read(0, 64)),
    StoreFailedError,
  )
  await assert.rejects(store.open(blobB.ref), StoreFailedError)
  open.release()
})

test('files of a blob that are incomplete or foreign are cleared away at the start', async (t) => {
  const dir = await storeFolder(t)
  const store = await openStore({ dir })
  await storeWhole(store, blobA)
  await storeWhole(store, blobB)
  await store.close()
  const folder = (digest: Digest) => join(dir, 'v1', 'blobs', digestHex(digest).slice(0, 2))
  await rm(join(folder(blobA.ref.digest), `${digestHex(blobA.ref.digest)}.chunks`))
  await writeFile(join(folder(blobB.ref.digest), 'left.tmp'), 'x')
  const again = await openStore({ dir })
  assert.deepEqual(
    again.list().map(({ digest }) => digest),
    [blobB.ref.digest],
  )
  assert.equal(again.find(blobB.ref.digest)?.isComplete, false, 'the chunk it shared is gone')
  assert.deepEqual(await readdir(folder(blobA.ref.digest)), [])
  await again.close()
})

test('one chunk lent to many at once is read once, and its buffer comes back with the last of them', async (t) => {
  const clock = new VirtualClock()
  const buffers = new BufferPool({ maxIdleBytes: 1 << 20, minPooledBytes: 4, isPoisoning: true }, { clock })
  const store = await openStore({ dir: await storeFolder(t), buffers, memoryBytes: 0 })
  const open = await storeWhole(store, blobA).then(() => store.open(blobA.ref))
  const [first, second] = await Promise.all([open.lend(64, 64), open.lend(64, 64)])
  assert.equal(first.bytes.buffer, second.bytes.buffer)
  first.release()
  const other = await open.lend(0, 64)
  assert.deepEqual([Buffer.from(second.bytes), buffers.idleBytes], [blobA.bytes.subarray(64, 128), 0])
  second.release()
  other.release()
  assert.equal(buffers.idleBytes, 128)
  open.release()
  await store.close()
})

test('a part of a chunk in memory stays right when the chunk has to leave memory', async (t) => {
  const store = await openStore({ dir: await storeFolder(t), memoryBytes: 8 * 64 })
  await storeWhole(store, longBlob)
  const open = await store.open(longBlob.ref)
  const part = await open.lend(5, 20)
  for (let chunk = 1; chunk < 20; chunk++) (await open.lend(chunk * 64 + 1, 10)).release()
  assert.deepEqual(Buffer.from(part.bytes), longBlob.bytes.subarray(5, 25))
  part.release()
  assert.deepEqual(Buffer.from(await open.read(5, 20)), longBlob.bytes.subarray(5, 25))
  open.release()
  await store.close()
})

test('a chunk that was given to memory while it was written is read in parts without the disk', async (t) => {
  const metrics = new Metrics()
  const buffers = new BufferPool(
    { maxIdleBytes: 1 << 20, minPooledBytes: 4, isPoisoning: true },
    { clock: new VirtualClock() },
  )
  const store = await openStore({ dir: await storeFolder(t), buffers, metrics })
  const open = await store.open(blobA.ref)
  const payload = buffers.lease(64)
  payload.bytes.set(blobA.bytes.subarray(64, 128))
  const writing = open.write(1, payload.bytes, blobA.digest(1))
  open.remember(blobA.digest(1), payload)
  await assert.rejects(open.read(70, 10), ChunkNotHeldError)
  await writing
  payload.release()
  assert.deepEqual(Buffer.from(await open.read(70, 10)), blobA.bytes.subarray(70, 80))
  assert.match(await metrics.render(), /^shoal_store_read_bytes_total 0$/m)
  open.release()
  await store.close()
})
