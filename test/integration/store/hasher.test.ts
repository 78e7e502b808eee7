import assert from 'node:assert/strict'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { sha256 } from '../../../src/core/index.ts'
import { StoreFailedError } from '../../../src/store/index.ts'
import { WorkerHasher } from '../../../src/store/hasher.ts'
import { storeFolder } from '../../support/store-lab.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const hex = (bytes: Uint8Array) => Buffer.from(sha256(bytes)).toString('hex')

test('hashes stretches of several files in a worker, as one or each by itself', async (t) => {
  const dir = await storeFolder(t)
  const [one, two] = [Buffer.alloc(3 * 1024 * 1024 + 1, 'one'), Buffer.from('two')]
  const [pathOne, pathTwo, gone] = [join(dir, '1'), join(dir, '2'), join(dir, '3')]
  await Promise.all([writeFile(pathOne, one), writeFile(pathTwo, two)])
  const segments = [
    { path: pathOne, position: 5, lengthBytes: one.byteLength - 5 },
    { path: pathTwo, position: 0, lengthBytes: 3 },
  ]
  const clock = new VirtualClock()
  const hasher = new WorkerHasher(clock)
  t.after(() => hasher.close())
  assert.deepEqual(await hasher.hash('whole', segments), [hex(Buffer.concat([one.subarray(5), two]))])
  assert.deepEqual(await hasher.hash('each', [...segments, { path: gone, position: 0, lengthBytes: 1 }]), [
    hex(one.subarray(5)),
    hex(two),
    undefined,
  ])
  assert.deepEqual(await hasher.hash('whole', []), [hex(Buffer.alloc(0))])
  await clock.advance(60_000)
  assert.deepEqual(
    await hasher.hash('each', segments.slice(1)),
    [hex(two)],
    'a new worker after the idle one was ended',
  )
})

test('a file that is too short has no digest', async (t) => {
  const path = join(await storeFolder(t), 'short')
  await writeFile(path, 'abc')
  const hasher = new WorkerHasher(new VirtualClock())
  t.after(() => hasher.close())
  assert.deepEqual(await hasher.hash('whole', [{ path, position: 0, lengthBytes: 4 }]), [undefined])
})

test('an abort ends the job at once and the next one runs', async (t) => {
  const path = join(await storeFolder(t), 'large')
  await writeFile(path, 'abc')
  await truncate(path, 20 * 2 ** 30)
  const hasher = new WorkerHasher(new VirtualClock())
  t.after(() => hasher.close())
  const abort = new AbortController()
  const long = hasher.hash('whole', [{ path, position: 0, lengthBytes: 20 * 2 ** 30 }], { signal: abort.signal })
  const next = hasher.hash('each', [{ path, position: 0, lengthBytes: 3 }])
  abort.abort(new DOMException('enough', 'AbortError'))
  await assert.rejects(long, { name: 'AbortError' })
  assert.deepEqual(await next, [hex(Buffer.from('abc'))])
})

test('closing ends what is running and refuses what comes', async (t) => {
  const path = join(await storeFolder(t), 'large')
  await writeFile(path, '')
  await truncate(path, 20 * 2 ** 30)
  const hasher = new WorkerHasher(new VirtualClock())
  const running = hasher.hash('whole', [{ path, position: 0, lengthBytes: 20 * 2 ** 30 }])
  const refused = assert.rejects(running, StoreFailedError)
  await hasher.close()
  await refused
  await assert.rejects(hasher.hash('whole', []), StoreFailedError)
})
