import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { request } from 'undici'
import { digestOf } from '../../../src/core/index.ts'
import { patternBytes, startTestMirror, type TestMirror } from '../../support/mirror-fakes.ts'
import { testScope } from '../../support/scope.ts'

const REPOSITORY = '/v2/lib/app'
const CONTENT = patternBytes(0, 2048)

async function mirrorWithBlob(
  scope: AsyncDisposableStack,
): Promise<TestMirror & { readonly blobUrl: string; readonly digest: string }> {
  const mirror = scope.use(await startTestMirror())
  const digest = mirror.blobs.add(CONTENT)
  return { ...mirror, digest, blobUrl: `${mirror.url}${REPOSITORY}/blobs/${digest}` }
}

function ociCode(body: unknown): string {
  return (body as { errors: { code: string }[] }).errors[0]?.code ?? ''
}

describe('the ranges of the conformance suite on a blob of 2048 bytes', () => {
  const vectors = [
    { range: 'bytes=500-1499', start: 500, end: 1500 },
    { range: 'bytes=500-', start: 500, end: 2048 },
    { range: 'bytes=-500', start: 1548, end: 2048 },
    { range: 'bytes=1000-5000', start: 1000, end: 2048 },
    { range: 'bytes=0-0', start: 0, end: 1 },
    { range: 'bytes=-5000', start: 0, end: 2048 },
    { range: 'bytes=0-', start: 0, end: 2048 },
  ]
  for (const { range, start, end } of vectors) {
    test(`${range} gets exactly its bytes and headers`, async (t) => {
      const { blobUrl, digest } = await mirrorWithBlob(testScope(t))
      const response = await request(blobUrl, { headers: { range } })
      assert.equal(response.statusCode, 206)
      assert.equal(response.headers['content-range'], `bytes ${start}-${end - 1}/2048`)
      assert.equal(response.headers['content-length'], String(end - start))
      assert.equal(response.headers['content-type'], 'application/octet-stream')
      assert.equal(response.headers['accept-ranges'], 'bytes')
      assert.equal(response.headers['docker-content-digest'], digest)
      assert.equal(response.headers['transfer-encoding'], undefined)
      assert.equal(response.headers['content-encoding'], undefined)
      assert.ok(Buffer.from(await response.body.arrayBuffer()).equals(CONTENT.subarray(start, end)))
    })
  }

  for (const range of ['bytes=500-0', 'bytes=5000-10000', 'bytes=2048-', 'bytes=-0', 'bytes=0-1,4000-5000']) {
    test(`${range} is not satisfiable`, async (t) => {
      const { blobUrl } = await mirrorWithBlob(testScope(t))
      const response = await request(blobUrl, { headers: { range } })
      assert.equal(response.statusCode, 416)
      assert.equal(response.headers['content-range'], 'bytes */2048')
      assert.equal(ociCode(await response.body.json()), 'SIZE_INVALID')
    })
  }

  for (const range of [
    'bytes=a-b',
    'bytes=',
    'bytes=1',
    `bytes=${Array.from({ length: 1025 }, (_, i) => `${i}-${i}`).join(',')}`,
  ]) {
    test(`${range.slice(0, 12)}… is refused with 400, never answered with 200`, async (t) => {
      const { blobUrl } = await mirrorWithBlob(testScope(t))
      const response = await request(blobUrl, { headers: { range } })
      assert.equal(response.statusCode, 400)
      await response.body.dump()
    })
  }

  test('a unit that is not bytes is ignored', async (t) => {
    const { blobUrl } = await mirrorWithBlob(testScope(t))
    const response = await request(blobUrl, { headers: { range: 'items=0-5' } })
    assert.equal(response.statusCode, 200)
    assert.equal((await response.body.arrayBuffer()).byteLength, 2048)
  })
})

describe('whole blobs', () => {
  test('GET has all headers a client relies on, and the bytes', async (t) => {
    const { blobUrl, digest } = await mirrorWithBlob(testScope(t))
    const response = await request(blobUrl, { headers: { 'accept-encoding': 'zstd;q=1.0, gzip;q=0.8' } })
    assert.equal(response.statusCode, 200)
    assert.deepEqual(
      {
        type: response.headers['content-type'],
        length: response.headers['content-length'],
        ranges: response.headers['accept-ranges'],
        digest: response.headers['docker-content-digest'],
        etag: response.headers.etag,
        encoding: response.headers['content-encoding'],
        transfer: response.headers['transfer-encoding'],
      },
      {
        type: 'application/octet-stream',
        length: '2048',
        ranges: 'bytes',
        digest,
        etag: `"${digest}"`,
        encoding: undefined,
        transfer: undefined,
      },
    )
    assert.ok(Buffer.from(await response.body.arrayBuffer()).equals(CONTENT))
  })

  test('HEAD has the same headers and no body, and reads nothing of the blob', async (t) => {
    const { blobUrl, digest, blobs } = await mirrorWithBlob(testScope(t))
    const response = await request(blobUrl, { method: 'HEAD' })
    assert.equal(response.statusCode, 200)
    assert.equal(response.headers['content-length'], '2048')
    assert.equal(response.headers['docker-content-digest'], digest)
    assert.equal((await response.body.arrayBuffer()).byteLength, 0)
    assert.equal(blobs.reads.length, 0)
    assert.equal(blobs.openHandles, 0)
  })

  test('an empty blob is served', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const digest = mirror.blobs.add(Buffer.alloc(0))
    const response = await request(`${mirror.url}${REPOSITORY}/blobs/${digest}`, { headers: { range: 'bytes=0-' } })
    assert.equal(response.statusCode, 200)
    assert.equal(response.headers['content-length'], '0')
    await response.body.dump()
    assert.equal(mirror.blobs.openHandles, 0)
  })

  test('an unknown blob is 404 and a bad digest 400, with the codes of the specification', async (t) => {
    const { url } = await mirrorWithBlob(testScope(t))
    const unknown = await request(`${url}${REPOSITORY}/blobs/${digestOf(Buffer.from('nobody has this'))}`)
    assert.equal(unknown.statusCode, 404)
    assert.equal(ociCode(await unknown.body.json()), 'BLOB_UNKNOWN')
    const bad = await request(`${url}${REPOSITORY}/blobs/sha256:totallywrong`)
    assert.equal(bad.statusCode, 400)
    assert.equal(ociCode(await bad.body.json()), 'DIGEST_INVALID')
  })
})

describe('manifests', () => {
  test('GET and HEAD by tag and by digest agree on every header', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const manifest = mirror.documents.add('v1', { schemaVersion: 2, layers: [] })
    for (const reference of ['v1', manifest.digest]) {
      for (const method of ['GET', 'HEAD'] as const) {
        const response = await request(`${mirror.url}${REPOSITORY}/manifests/${reference}`, {
          method,
          headers: { range: 'bytes=0-' },
        })
        const body = Buffer.from(await response.body.arrayBuffer())
        assert.equal(response.statusCode, 200)
        assert.equal(response.headers['content-type'], manifest.mediaType)
        assert.equal(response.headers['docker-content-digest'], manifest.digest)
        assert.equal(response.headers['content-length'], String(manifest.bytes.byteLength))
        assert.ok(body.equals(method === 'GET' ? manifest.bytes : Buffer.alloc(0)))
      }
    }
  })

  test('unknown tags and digests and bad tags are 404, bad digests 400', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const expected = {
      none: 404,
      '.INVALID_MANIFEST_NAME': 404,
      [digestOf(Buffer.from('x'))]: 404,
      'sha256:totallywrong': 400,
    }
    for (const [reference, status] of Object.entries(expected)) {
      const response = await request(`${mirror.url}${REPOSITORY}/manifests/${reference}`)
      assert.equal(response.statusCode, status)
      assert.match(ociCode(await response.body.json()), status === 404 ? /MANIFEST_UNKNOWN/ : /DIGEST_INVALID/)
    }
  })
})

describe('the rest of the API', () => {
  test('/v2/ is there', async (t) => {
    const { url } = testScope(t).use(await startTestMirror())
    for (const path of ['/v2/', '/v2']) {
      const response = await request(`${url}${path}`)
      assert.equal(response.statusCode, 200)
      assert.equal(response.headers['docker-distribution-api-version'], 'registry/2.0')
      assert.deepEqual(await response.body.json(), {})
    }
  })

  test('pushes are refused as unsupported, whatever they carry', async (t) => {
    const { url } = testScope(t).use(await startTestMirror())
    const pushes = [
      { method: 'POST', path: `${REPOSITORY}/blobs/uploads/` },
      { method: 'PUT', path: `${REPOSITORY}/manifests/v1` },
      { method: 'PATCH', path: `${REPOSITORY}/blobs/uploads/1` },
      { method: 'DELETE', path: `${REPOSITORY}/manifests/v1` },
    ] as const
    for (const { method, path } of pushes) {
      const response = await request(`${url}${path}`, { method, body: method === 'DELETE' ? null : 'x'.repeat(10_000) })
      assert.equal(response.statusCode, 405)
      assert.equal(response.headers.allow, 'GET, HEAD')
      assert.equal(ociCode(await response.body.json()), 'UNSUPPORTED')
    }
  })

  test('what is not in the API is 404 with an OCI error', async (t) => {
    const { url } = testScope(t).use(await startTestMirror())
    for (const path of ['/', '/v2/_catalog', '/v1/search', '/v2/lib/app/tags/other', '/blobs/nothing']) {
      const response = await request(`${url}${path}`)
      assert.equal(response.statusCode, 404)
      assert.equal(ociCode(await response.body.json()), 'UNSUPPORTED')
    }
  })

  test('tags are listed page by page, with links that lead back here', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    for (const tag of ['a', 'b', 'c']) mirror.documents.add(tag, { tag })
    const all = await request(`${mirror.url}${REPOSITORY}/tags/list`)
    assert.deepEqual(await all.body.json(), { name: 'lib/app', tags: ['a', 'b', 'c'] })
    assert.equal(all.headers.link, undefined)
    const first = await request(`${mirror.url}${REPOSITORY}/tags/list?n=2&ns=registry.test`)
    assert.deepEqual(await first.body.json(), { name: 'lib/app', tags: ['a', 'b'] })
    assert.equal(first.headers.link, '</v2/lib/app/tags/list?n=2&last=b&ns=registry.test>; rel="next"')
    const second = await request(`${mirror.url}${REPOSITORY}/tags/list?n=2&last=b`)
    assert.deepEqual(await second.body.json(), { name: 'lib/app', tags: ['c'] })
    const none = await request(`${mirror.url}${REPOSITORY}/tags/list?n=0`)
    assert.deepEqual(await none.body.json(), { name: 'lib/app', tags: [] })
    assert.equal(none.headers.link, undefined)
    const bad = await request(`${mirror.url}${REPOSITORY}/tags/list?n=-1`)
    assert.equal(bad.statusCode, 400)
    await bad.body.dump()
  })

  test('referrers are always an index, also of what does not exist', async (t) => {
    const mirror = testScope(t).use(await startTestMirror())
    const subject = digestOf(Buffer.from('subject'))
    mirror.documents.referrersBySubject.set(subject, {
      bytes: Buffer.from('{"schemaVersion":2,"manifests":[{}]}'),
      filtersApplied: 'artifactType',
    })
    const known = await request(`${mirror.url}${REPOSITORY}/referrers/${subject}?artifactType=x/y`)
    assert.equal(known.headers['oci-filters-applied'], 'artifactType')
    assert.deepEqual(await known.body.json(), { schemaVersion: 2, manifests: [{}] })
    const unknown = await request(`${mirror.url}${REPOSITORY}/referrers/${digestOf(Buffer.from('y'))}`)
    assert.equal(unknown.statusCode, 200)
    assert.equal(unknown.headers['content-type'], 'application/vnd.oci.image.index.v1+json')
    assert.deepEqual(await unknown.body.json(), {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [],
    })
    const bad = await request(`${mirror.url}${REPOSITORY}/referrers/sha256:nope`)
    assert.equal(bad.statusCode, 400)
    await bad.body.dump()
  })

  test('the namespace is told to who asked with ns', async (t) => {
    const { blobUrl } = await mirrorWithBlob(testScope(t))
    const named = await request(`${blobUrl}?ns=registry.test`)
    assert.equal(named.headers['oci-namespace'], 'registry.test')
    await named.body.dump()
    const unnamed = await request(blobUrl)
    assert.equal(unnamed.headers['oci-namespace'], undefined)
    await unnamed.body.dump()
  })
})
