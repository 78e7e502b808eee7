import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { FORBIDDEN_ADDRESS, guardedLookup } from '../../../src/origin/address-policy.ts'
import { OriginBrokenError, OriginUnavailableError } from '../../../src/origin/index.ts'
import { startFaultRegistry } from '../../support/fault-registry.ts'
import { testScope } from '../../support/scope.ts'
import { clientOf, collect, noise } from './origin-client-fixture.ts'

const BYTES = noise(200_000)
const REPOSITORY = 'lib/app'
const AUTH = { kind: 'bearer', username: 'agent', password: 'secret' } as const

type Owner = Parameters<typeof testScope>[0]

async function setUp(owner: Owner, urlLifeMs = 60_000) {
  const scope = testScope(owner)
  const registry = scope.use(await startFaultRegistry({ auth: AUTH, storage: { urlLifeMs } }))
  const { client } = scope.use(clientOf(registry, { credentials: AUTH }))
  const { digest } = registry.addBlob(REPOSITORY, BYTES)
  const origin = { namespace: registry.host, repository: REPOSITORY }
  const read = (start: number, end: number) =>
    collect(client.readBlob({ digest, sizeBytes: BYTES.byteLength }, { origins: [origin] }, { start, end }, {}))
  return { registry, client, origin, digest, read }
}

suite('blobs that the registry redirects to its storage', () => {
  test('are read there by Range and without Authorization', async (t) => {
    const { registry, read } = await setUp(t)
    assert.deepEqual(await read(10, 5_000), BYTES.subarray(10, 5_000))
    const [storage] = registry.stats.of('storage')
    assert.equal(storage?.range, 'bytes=10-4999')
    assert.equal(storage.authorization, undefined)
  })

  test('are read at the same signed URL again, without asking the registry', async (t) => {
    const { registry, read } = await setUp(t)
    await read(0, 100)
    registry.stats.clear()
    assert.deepEqual(await read(100, 200), BYTES.subarray(100, 200))
    assert.equal(registry.stats.count('blob'), 0)
    assert.equal(registry.stats.count('storage'), 1)
  })

  test('are asked for anew when the signed URL has expired', async (t) => {
    const { registry, read } = await setUp(t)
    await read(0, 100)
    registry.expireStorageUrls()
    registry.stats.clear()
    assert.deepEqual(await read(100, 200), BYTES.subarray(100, 200))
    assert.deepEqual(
      registry.stats.requests.map(({ kind, status }) => `${kind} ${status}`),
      ['storage 403', 'blob 307', 'storage 206'],
    )
  })

  test('are resumed through a new signed URL when the old one expires during the read', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ on: 'storage', times: 1, fault: { kind: 'cut', afterBytes: 1_000 } })
    const reading = read(0, 200_000)
    while (registry.stats.count('storage') === 0) await new Promise((resolve) => setImmediate(resolve))
    registry.expireStorageUrls()
    assert.deepEqual(await reading, BYTES)
  })

  test('count as trouble when the storage refuses a URL just signed', async (t) => {
    const { registry, read } = await setUp(t)
    registry.faults.add({ on: 'storage', fault: { kind: 'status', status: 403 } })
    await assert.rejects(read(0, 100), OriginUnavailableError)
  })

  test('have their size told by GET where the storage refuses HEAD', async (t) => {
    const { registry, client, origin, digest } = await setUp(t)
    assert.deepEqual(await client.headBlob(origin, digest, {}), { sizeBytes: BYTES.byteLength })
    registry.faults.add({ on: 'storage', method: 'HEAD', fault: { kind: 'status', status: 403 } })
    assert.deepEqual(await client.headBlob(origin, digest, {}), { sizeBytes: BYTES.byteLength })
    assert.equal(registry.stats.requests.at(-1)?.range, 'bytes=0-0')
  })
})

suite('redirects that are not followed', () => {
  const refused = ['ftp://127.0.0.1/blob', 'file:///etc/passwd', 'http://user:pass@127.0.0.1/blob', 'http://[']
  for (const location of refused) {
    test(location, async (t) => {
      const { registry, read } = await setUp(t)
      registry.faults.add({ on: 'blob', fault: { kind: 'redirect', location } })
      await assert.rejects(read(0, 100), OriginBrokenError)
    })
  }

  test('more than five in a row', async (t) => {
    const { registry, read, digest } = await setUp(t)
    registry.faults.add({ on: 'blob', fault: { kind: 'redirect', location: `./${digest}` } })
    await assert.rejects(read(0, 100), OriginBrokenError)
    assert.equal(registry.stats.count('blob'), 6)
  })
})

suite('names that lead to this machine', () => {
  test('are not connected to through the guarded lookup', async () => {
    const looked = Promise.withResolvers<unknown>()
    guardedLookup('localhost', { all: true }, (error) => looked.resolve(error))
    assert.equal(((await looked.promise) as NodeJS.ErrnoException).code, FORBIDDEN_ADDRESS)
  })
})
