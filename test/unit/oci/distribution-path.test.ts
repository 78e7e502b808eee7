import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseDistributionPath } from '../../../src/oci/index.ts'

const DIGEST = `sha256:${'0a'.repeat(32)}`

suite('a path of the distribution API', () => {
  test('is parsed from its end', () => {
    assert.deepEqual(parseDistributionPath('/v2/'), { kind: 'base' })
    assert.deepEqual(parseDistributionPath('/v2'), { kind: 'base' })
    assert.deepEqual(parseDistributionPath('/v2/a/b/manifests/v1'), {
      kind: 'manifest',
      name: 'a/b',
      reference: { kind: 'tag', tag: 'v1' },
    })
    assert.deepEqual(parseDistributionPath(`/v2/a/manifests/${DIGEST}`), {
      kind: 'manifest',
      name: 'a',
      reference: { kind: 'digest', digest: DIGEST },
    })
    assert.deepEqual(parseDistributionPath(`/v2/a/blobs/${DIGEST}`), { kind: 'blob', name: 'a', digest: DIGEST })
    assert.deepEqual(parseDistributionPath('/v2/a/tags/list'), { kind: 'tags', name: 'a' })
    assert.deepEqual(parseDistributionPath(`/v2/a/referrers/${DIGEST}`), {
      kind: 'referrers',
      name: 'a',
      digest: DIGEST,
    })
    assert.deepEqual(parseDistributionPath('/v2/a/blobs/uploads/'), { kind: 'upload', name: 'a' })
    assert.deepEqual(parseDistributionPath('/v2/a/blobs/uploads/id'), { kind: 'upload', name: 'a' })
  })

  test('may have the words of the API in its name', () => {
    assert.deepEqual(parseDistributionPath(`/v2/blobs/manifests/blobs/${DIGEST}`), {
      kind: 'blob',
      name: 'blobs/manifests',
      digest: DIGEST,
    })
    assert.deepEqual(parseDistributionPath('/v2/a/blobs/uploads/tags/list'), { kind: 'tags', name: 'a/blobs/uploads' })
    assert.deepEqual(parseDistributionPath('/v2/uploads/tags/list'), { kind: 'tags', name: 'uploads' })
  })

  test('may have a registry before the name, and its colons encoded', () => {
    const expected = { kind: 'blob', name: '127.0.0.1:5000/lib/app', digest: DIGEST }
    assert.deepEqual(parseDistributionPath(`/v2/127.0.0.1:5000/lib/app/blobs/${DIGEST}`), expected)
    assert.deepEqual(
      parseDistributionPath(`/v2/127.0.0.1%3A5000/lib/app/blobs/${DIGEST.replace(':', '%3a')}`),
      expected,
    )
  })

  test('with a bad name, tag or digest says what to answer', () => {
    const codes: Record<string, string> = {
      '/v2/A/manifests/v1': 'NAME_INVALID',
      [`/v2/a/../b/blobs/${DIGEST}`]: 'NAME_INVALID',
      [`/v2/a//blobs/${DIGEST}`]: 'NAME_INVALID',
      '/v2/a/blobs/sha256:abc': 'DIGEST_INVALID',
      '/v2/a/blobs/latest': 'DIGEST_INVALID',
      '/v2/a/referrers/x': 'DIGEST_INVALID',
      '/v2/a/manifests/sha256:totallywrong': 'DIGEST_INVALID',
      '/v2/a/manifests/.INVALID_MANIFEST_NAME': 'MANIFEST_UNKNOWN',
      '/v2/a/manifests/': 'MANIFEST_UNKNOWN',
    }
    for (const [path, code] of Object.entries(codes))
      assert.deepEqual(parseDistributionPath(path), { kind: 'invalid', code }, path)
  })

  test('is none when it is something else', () => {
    const others = [
      '',
      '/',
      '/v1/',
      '/v2x',
      '/v2/a',
      '/v2/_catalog',
      '/v2/manifests/v1',
      '/v2/a/tags/all',
      '/v2/a%2fb/manifests/v1',
    ]
    for (const path of [...others, `/v2/${'a/'.repeat(3000)}manifests/v1`])
      assert.equal(parseDistributionPath(path), undefined, path.slice(0, 40))
  })
})
