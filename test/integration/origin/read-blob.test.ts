import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BlobRef, Digest } from '../../../src/core/index.ts'
import {
  OriginBrokenError,
  OriginMissingError,
  OriginNotAllowedError,
  OriginThrottledError,
  OriginUnavailableError,
  type RegistrySettings,
} from '../../../src/origin/index.ts'
import { type FaultRegistry, type FaultRegistryInit, startFaultRegistry } from '../../support/fault-registry.ts'
import { testScope } from '../../support/scope.ts'
import { clientOf, collect, noise } from './origin-client-fixture.ts'

const BYTES = noise(400_000)
const REPOSITORY = 'lib/app'

interface Setup {
  readonly registry: FaultRegistry
  readonly ref: BlobRef
  readonly read: (start?: number, end?: number, signal?: AbortSignal) => AsyncIterable<Uint8Array>
}

type Owner = Parameters<typeof testScope>[0]

async function setUp(owner: Owner, init: FaultRegistryInit = {}, settings: RegistrySettings = {}): Promise<Setup> {
  const scope = testScope(owner)
  const registry = scope.use(await startFaultRegistry(init))
  const { client } = scope.use(clientOf(registry, settings))
  const { digest } = registry.addBlob(REPOSITORY, BYTES)
  const ref = { digest, sizeBytes: BYTES.byteLength }
  const access = { origins: [{ namespace: registry.host, repository: REPOSITORY }] }
  return {
    registry,
    ref,
    read: (start = 0, end = BYTES.byteLength, signal) => client.readBlob(ref, access, { start, end }, { signal }),
  }
}

suite('reading a blob from a working origin', () => {
  test('gives exactly the bytes of a range and asks for no others', async (t) => {
    const { registry, read } = await setUp(t)
    assert.deepEqual(await collect(read(1_000, 70_000)), BYTES.subarray(1_000, 70_000))
    assert.equal(registry.stats.requests[0]?.range, 'bytes=1000-69999')
    assert.equal(registry.stats.blobBytes, 69_000)
  })

  test('asks for nothing when the range is empty', async (t) => {
    const { registry, read } = await setUp(t)
    assert.equal((await collect(read(5, 5))).byteLength, 0)
    assert.equal(registry.stats.count(), 0)
  })

  test('never lets the answer be compressed', async (t) => {
    const { registry, read } = await setUp(t)
    await collect(read(0, 10))
    assert.equal(registry.stats.requests[0]?.headers['accept-encoding'], 'identity')
  })

  test('slows the origin down to its reader', async (t) => {
    const scope = testScope(t)
    const registry = scope.use(await startFaultRegistry())
    const { client } = scope.use(clientOf(registry))
    // More than all the socket buffers between the two ends hold.
    const { digest, size } = registry.addBlob(REPOSITORY, Buffer.alloc(64 * 1024 * 1024))
    const access = { origins: [{ namespace: registry.host, repository: REPOSITORY }] }
    const pieces = client.readBlob({ digest, sizeBytes: size }, access, { start: 0, end: size }, {})
    await pieces.next()
    await sleep(100)
    assert.equal(registry.stats.requests[0]?.bodyBytes, 0, 'the registry still waits to send the rest')
    await pieces.return(undefined)
  })

  test('lets go of the connection when the reader leaves early', async (t) => {
    const { registry, read } = await setUp(t, {}, { maxConcurrency: 1 })
    for await (const piece of read()) {
      assert.ok(piece.byteLength > 0)
      break
    }
    assert.equal((await collect(read(0, 10))).byteLength, 10)
    assert.equal(registry.stats.count('blob'), 2)
  })
})

suite('reading a blob from an origin that breaks', () => {
  test('resumes at the exact byte after a cut', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ times: 1, fault: { kind: 'cut', afterBytes: 100_000 } })
    assert.deepEqual(await collect(read(10)), BYTES.subarray(10))
    assert.deepEqual(
      registry.stats.requests.map(({ range }) => range),
      ['bytes=10-399999', 'bytes=100010-399999'],
    )
  })

  test('resumes after a reset connection', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ times: 1, fault: { kind: 'reset', afterBytes: 50_000 } })
    assert.deepEqual(await collect(read()), BYTES)
  })

  test('goes on for as long as every attempt brings something', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ times: 7, fault: { kind: 'cut', afterBytes: 50_000 } })
    assert.deepEqual(await collect(read()), BYTES)
    assert.equal(registry.stats.count('blob'), 8)
  })

  test('gives up after the allowed attempts without progress', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ fault: { kind: 'cut', afterBytes: 0 } })
    await assert.rejects(collect(read()), OriginUnavailableError)
    assert.equal(registry.stats.count('blob'), 4)
  })

  test('retries server errors and waits as long as Retry-After says', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ times: 1, fault: { kind: 'status', status: 503, headers: { 'retry-after': '1' } } })
    const startedAtMs = performance.now()
    assert.deepEqual(await collect(read()), BYTES)
    assert.ok(performance.now() - startedAtMs >= 990)
  })

  test('moves on from an origin that stalls before its headers', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ times: 1, fault: { kind: 'stall', afterBytes: 'nothing' } })
    assert.deepEqual(await collect(read()), BYTES)
  })

  test('moves on from an origin that stalls in the middle', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ times: 1, fault: { kind: 'stall', afterBytes: 1_000 } })
    assert.deepEqual(await collect(read()), BYTES)
    assert.equal(registry.stats.requests[1]?.range, 'bytes=1000-399999')
  })

  test('tells that the blob is missing', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ fault: { kind: 'status', status: 404 } })
    await assert.rejects(collect(read()), OriginMissingError)
    assert.equal(registry.stats.count('blob'), 1)
  })

  test('an abort ends it with the reason of the signal', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ fault: { kind: 'stall', afterBytes: 1_000 } })
    const controller = new AbortController()
    const reading = collect(read(0, undefined, controller.signal))
    await sleep(30)
    const reason = new Error('client left')
    controller.abort(reason)
    await assert.rejects(reading, reason)
  })
})

suite('reading a blob from an origin that lies', () => {
  test('cuts the wanted part out of a 200 that ignores Range', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ fault: { kind: 'ignore-range' } })
    assert.deepEqual(await collect(read(100_000, 150_000)), BYTES.subarray(100_000, 150_000))
  })

  test('never splices a 200 into what it has after a cut', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ times: 1, fault: { kind: 'cut', afterBytes: 70_000 } })
    registry.faults.add({ fault: { kind: 'ignore-range' } })
    assert.deepEqual(await collect(read(5)), BYTES.subarray(5))
  })

  const lies = {
    'another start': 'bytes 1-399999/400000',
    'another size': 'bytes 0-399999/500000',
    'more than was asked for': 'bytes 0-400000/400001',
    'no Content-Range': undefined,
    'a malformed Content-Range': 'bytes 0-/400000',
  }
  for (const [name, value] of Object.entries(lies)) {
    test(`refuses a 206 with ${name}`, async (t) => {
      const { registry, read } = await setUp(t)
      registry.faults.add({ fault: { kind: 'content-range', value } })
      await assert.rejects(collect(read()), (error) => error instanceof OriginBrokenError && error.blame === 'origin')
      assert.equal(registry.stats.count('blob'), 1)
    })
  }

  test('refuses lengths that do not fit the range or the blob', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ times: 2, fault: { kind: 'wrong-length', deltaBytes: -1 } })
    await assert.rejects(collect(read(0, 1_000)), OriginBrokenError)
    await assert.rejects(collect(read(7)), OriginBrokenError)
    registry.faults.add({ fault: { kind: 'wrong-length', deltaBytes: 9 } })
    await assert.rejects(collect(read(0, 1_000)), OriginBrokenError)
  })

  test('refuses a compressed body', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ fault: { kind: 'headers', headers: { 'content-encoding': 'gzip' } } })
    await assert.rejects(collect(read()), OriginBrokenError)
  })
})

suite('limits', () => {
  test('a 429 with a short Retry-After holds back every request to the registry', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ times: 1, fault: { kind: 'throttle', retryAfterSeconds: 1 } })
    const startedAtMs = performance.now()
    const first = collect(read(0, 100))
    while (registry.stats.requests[0]?.status !== 429) await sleep(5)
    await sleep(20)
    await collect(read(100, 200))
    assert.ok(performance.now() - startedAtMs >= 990)
    await first
    assert.equal(registry.stats.count('blob'), 3)
  })

  test('a 429 with a long Retry-After is told at once, and nothing more is asked until then', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ times: 1, fault: { kind: 'throttle', retryAfterSeconds: 60 } })
    const isLong = (error: unknown) => error instanceof OriginThrottledError && error.retryAfterMs > 59_000
    await assert.rejects(collect(read()), isLong)
    await assert.rejects(collect(read()), isLong)
    assert.equal(registry.stats.count('blob'), 1)
  })

  test('no more requests are open than allowed', async (t) => {
    const { registry, read } = await setUp(t, {}, { maxConcurrency: 2 })
    registry.faults.add({ fault: { kind: 'slow', bytesPerSecond: 100_000 } })
    let openCount = 0
    let mostOpen = 0
    const watch = setInterval(() => {
      openCount = registry.stats.requests.filter(({ status }) => status === 0).length
      mostOpen = Math.max(mostOpen, openCount)
    }, 2)
    await Promise.all([0, 1, 2, 3, 4].map(async (i) => await collect(read(i * 5_000, (i + 1) * 5_000))))
    clearInterval(watch)
    assert.equal(mostOpen, 2)
  })
})

suite('several origins', () => {
  test('goes on at the next one, at the exact byte, when one fails', async (t) => {
    const scope = testScope(t)
    const [one, two] = [scope.use(await startFaultRegistry()), scope.use(await startFaultRegistry())]
    const settings = { plainHttp: true }
    const registries = new Map([one, two].map(({ host }) => [host, settings]))
    const { client } = scope.use(clientOf(one, {}, { registries }))
    const { digest } = one.addBlob('a/one', BYTES)
    two.addBlob('b/two', BYTES)
    const access = {
      origins: [
        { namespace: 'not.configured.test', repository: 'x' },
        { namespace: one.host, repository: 'does/not/exist' },
        { namespace: one.host, repository: 'a/one' },
        { namespace: two.host, repository: 'b/two' },
      ],
    }
    one.faults.add({ digest, times: 1, fault: { kind: 'status', status: 404 } })
    one.faults.add({ times: 1, fault: { kind: 'cut', afterBytes: 100 } })
    one.faults.add({ fault: { kind: 'status', status: 500 } })
    const bytes = await collect(
      client.readBlob({ digest, sizeBytes: BYTES.byteLength }, access, { start: 0, end: 200_000 }, {}),
    )
    assert.deepEqual(bytes, BYTES.subarray(0, 200_000))
    assert.equal(two.stats.requests[0]?.range, 'bytes=100-199999')
  })

  test('a caller’s Authorization goes to the registry it was given for and to no other', async (t) => {
    const scope = testScope(t)
    const [one, two] = [scope.use(await startFaultRegistry()), scope.use(await startFaultRegistry())]
    const settings = { plainHttp: true, credentials: { username: 'agent', password: 'secret' } }
    const { client } = scope.use(
      clientOf(one, {}, { registries: new Map([one, two].map(({ host }) => [host, settings])) }),
    )
    const { digest } = two.addBlob('b/two', BYTES)
    const access = {
      origins: [
        { namespace: one.host, repository: 'a/one' },
        { namespace: two.host, repository: 'b/two' },
      ],
      authorization: 'Bearer of-the-caller',
    }
    await collect(client.readBlob({ digest, sizeBytes: BYTES.byteLength }, access, { start: 0, end: 10 }, {}))
    assert.equal(one.stats.requests[0]?.authorization, 'Bearer of-the-caller')
    assert.equal(two.stats.requests[0]?.authorization, undefined)
  })

  test('a namespace that is not configured is not dialled', async (t) => {
    const scope = testScope(t)
    const registry = scope.use(await startFaultRegistry())
    const { client } = scope.use(clientOf(registry, {}, { registries: new Map() }))
    const origin = { namespace: registry.host, repository: REPOSITORY }
    const ref = { digest: `sha256:${'0'.repeat(64)}` as Digest, sizeBytes: 10 }
    assert.equal(client.allows(registry.host), false)
    await assert.rejects(
      collect(client.readBlob(ref, { origins: [origin] }, { start: 0, end: 10 }, {})),
      OriginNotAllowedError,
    )
    await assert.rejects(client.getManifest(origin, 'v1', {}), OriginNotAllowedError)
    assert.equal(registry.stats.count(), 0)
  })
})
