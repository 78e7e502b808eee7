import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import {
  OriginBrokenError,
  OriginDeniedError,
  OriginRequestError,
  OriginUnavailableError,
} from '../../../src/origin/index.ts'
import { startFaultRegistry } from '../../support/fault-registry.ts'
import { testScope } from '../../support/scope.ts'
import { clientOf } from './origin-client-fixture.ts'

type Owner = Parameters<typeof testScope>[0]

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

async function setUp(owner: Owner) {
  const scope = testScope(owner)
  const registry = scope.use(await startFaultRegistry())
  const { client, metrics } = scope.use(clientOf(registry))
  const image = registry.addImage('lib/app', 'v1', [Buffer.from('layer')])
  return { registry, client, metrics, image, ref: { namespace: registry.host, repository: 'lib/app' } }
}

suite('manifests', () => {
  test('a tag is resolved with one HEAD that accepts indexes and manifests of both kinds', async (t) => {
    const { registry, client, image, ref } = await setUp(t)
    const head = await client.headManifest(ref, 'v1', {})
    assert.deepEqual(head, { digest: image.digest, mediaType: MANIFEST, sizeBytes: image.bytes.byteLength })
    assert.deepEqual(
      registry.stats.requests.map(({ method }) => method),
      ['HEAD'],
    )
    const accept = String(registry.stats.requests[0]?.headers['accept'])
    for (const type of [
      'oci.image.index',
      'oci.image.manifest',
      'docker.distribution.manifest.list',
      'docker.distribution.manifest.v2',
    ]) {
      assert.ok(accept.includes(type), type)
    }
  })

  for (const [name, fault] of [
    ['does not tell the digest', { kind: 'headers', headers: { 'docker-content-digest': undefined } }],
    ['is not allowed', { kind: 'status', status: 405 }],
  ] as const) {
    test(`a tag is resolved with GET where HEAD ${name}`, async (t) => {
      const { registry, client, image, ref } = await setUp(t)
      registry.faults.add({ on: 'manifest', method: 'HEAD', fault })
      assert.equal((await client.headManifest(ref, 'v1', {}))?.digest, image.digest)
    })
  }

  test('are fetched by tag and digest, and unknown ones are undefined', async (t) => {
    const { client, image, ref } = await setUp(t)
    const byTag = await client.getManifest(ref, 'v1', {})
    assert.deepEqual(Buffer.from(byTag?.bytes ?? []), image.bytes)
    assert.deepEqual(await client.getManifest(ref, image.digest, {}), byTag)
    assert.equal(await client.getManifest(ref, 'v2', {}), undefined)
    assert.equal(await client.headManifest(ref, digestOf(Buffer.from('x')), {}), undefined)
  })

  test('with wrong bytes are the origin’s fault', async (t) => {
    const { registry, client, image, ref } = await setUp(t)
    registry.faults.add({ on: 'manifest', fault: { kind: 'corrupt', atByte: 3 } })
    await assert.rejects(client.getManifest(ref, image.digest, {}), OriginBrokenError)
    await assert.rejects(client.getManifest(ref, 'v1', {}), OriginBrokenError)
  })

  test('over 4 MiB are not read', async (t) => {
    const { registry, client, ref } = await setUp(t)
    registry.addManifest(
      'lib/app',
      { schemaVersion: 2, layers: [], padding: 'x'.repeat(4 * 1024 * 1024) },
      { tag: 'big' },
    )
    await assert.rejects(client.getManifest(ref, 'big', {}), OriginBrokenError)
  })

  test('without a Content-Type are told by what they contain', async (t) => {
    const { registry, client, ref } = await setUp(t)
    registry.addManifest('lib/app', { schemaVersion: 2, manifests: [] }, { tag: 'index', mediaType: 'text/plain' })
    assert.equal((await client.headManifest(ref, 'index', {}))?.mediaType, 'application/vnd.oci.image.index.v1+json')
  })

  test('are asked for again after server errors, a bounded number of times', async (t) => {
    const { registry, client, metrics, ref } = await setUp(t)
    registry.faults.add({ times: 2, fault: { kind: 'status', status: 503 } })
    assert.ok(await client.getManifest(ref, 'v1', {}))
    registry.faults.add({ fault: { kind: 'reset', afterBytes: 5 } })
    await assert.rejects(client.getManifest(ref, 'v1', {}), OriginUnavailableError)
    assert.match(await metrics.render(), new RegExp(`shoal_origin_retries_total\\{namespace="${ref.namespace}"\\} 5`))
  })

  test('that are forbidden say so', async (t) => {
    const { registry, client, ref } = await setUp(t)
    registry.faults.add({ fault: { kind: 'status', status: 403 } })
    await assert.rejects(client.getManifest(ref, 'v1', {}), OriginDeniedError)
  })

  test('with a name that breaks the grammar are not asked for', async (t) => {
    const { registry, client, ref } = await setUp(t)
    await assert.rejects(client.getManifest(ref, '../../token', {}), OriginRequestError)
    await assert.rejects(client.getManifest({ ...ref, repository: '../x' }, 'v1', {}), OriginRequestError)
    assert.equal(registry.stats.count(), 0)
  })
})

suite('lists', () => {
  test('tags and referrers are passed on as they are', async (t) => {
    const { registry, client, image, ref } = await setUp(t)
    registry.faults.add({
      on: 'tags',
      times: 1,
      fault: { kind: 'headers', headers: { link: '</v2/lib/app/tags/list?last=v1>; rel="next"' } },
    })
    const tags = await client.listTags(ref, { n: 1, last: 'v0' })
    assert.deepEqual(JSON.parse(Buffer.from(tags?.body ?? []).toString()), { name: 'lib/app', tags: ['v1'] })
    assert.equal(tags?.link, '</v2/lib/app/tags/list?last=v1>; rel="next"')
    assert.equal(registry.stats.requests[0]?.path, '/v2/lib/app/tags/list?n=1&last=v0')
    const referrers = await client.referrers(ref, image.digest, { artifactType: 'a/b' })
    assert.equal(referrers?.status, 200)
    assert.equal(await client.listTags({ ...ref, repository: 'no/such' }, {}), undefined)
  })
})

suite('blobs', () => {
  test('have a size, or are unknown', async (t) => {
    const { client, image, ref } = await setUp(t)
    const [layer] = image.layers
    assert.ok(layer)
    assert.deepEqual(await client.headBlob(ref, layer.digest, {}), { sizeBytes: 5 })
    assert.equal(await client.headBlob(ref, digestOf(Buffer.from('x')), {}), undefined)
  })
})

suite('closing', () => {
  test('ends what is under way and leaves nothing behind', async (t) => {
    const { registry, client, ref } = await setUp(t)
    registry.faults.add({ fault: { kind: 'stall', afterBytes: 'nothing' } })
    const waiting = client.getManifest(ref, 'v1', {})
    const ended = assert.rejects(waiting, OriginUnavailableError)
    while (registry.stats.count() === 0) await new Promise((resolve) => setImmediate(resolve))
    await client.close()
    await ended
  })
})
