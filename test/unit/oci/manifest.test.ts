import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { InvalidManifestError, MediaType, parseManifest, sniffMediaType } from '../../../src/oci/index.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`
const LAYER = { mediaType: MediaType.ociLayerGzip, digest: DIGEST, size: 10, annotations: { a: 'b' } }
const CONFIG = { mediaType: MediaType.ociConfig, digest: DIGEST, size: 2 }

function bytesOf(document: unknown): Buffer {
  return Buffer.from(JSON.stringify(document))
}

suite('reading', () => {
  test('a manifest', () => {
    const document = {
      schemaVersion: 2,
      config: CONFIG,
      layers: [LAYER],
      subject: CONFIG,
      annotations: { k: 'v', n: 1 },
    }
    const manifest = parseManifest(`${MediaType.ociManifest}; charset=utf-8`, bytesOf(document))
    assert.equal(manifest.kind, 'manifest')
    assert.equal(manifest.mediaType, MediaType.ociManifest)
    assert.equal(manifest.config?.sizeBytes, 2)
    assert.deepEqual(manifest.layers, [
      {
        digest: DIGEST,
        sizeBytes: 10,
        mediaType: MediaType.ociLayerGzip,
        platform: undefined,
        annotations: { a: 'b' },
      },
    ])
    assert.deepEqual(manifest.manifests, [])
    assert.equal(manifest.subject?.digest, DIGEST)
    assert.deepEqual(manifest.annotations, { k: 'v' })
  })

  test('an index with platforms', () => {
    const platform = { os: 'linux', architecture: 'arm', variant: 'v7', 'os.version': '1' }
    const entry = { mediaType: MediaType.dockerManifest, digest: DIGEST, size: 5, platform }
    const index = parseManifest(MediaType.dockerIndex, bytesOf({ schemaVersion: 2, manifests: [entry] }))
    assert.equal(index.kind, 'index')
    assert.deepEqual(index.manifests[0]?.platform, { os: 'linux', architecture: 'arm', variant: 'v7', osVersion: '1' })
  })

  test('what Docker writes, nulls included', () => {
    const document = {
      schemaVersion: 2,
      mediaType: MediaType.dockerManifest,
      config: CONFIG,
      layers: null,
      annotations: null,
    }
    assert.deepEqual(parseManifest('', bytesOf(document)).layers, [])
  })
})

suite('the media type of bytes', () => {
  test('is told by the document where the registry does not tell it', () => {
    assert.equal(
      sniffMediaType(bytesOf({ schemaVersion: 2, mediaType: MediaType.dockerIndex, manifests: [] })),
      MediaType.dockerIndex,
    )
    assert.equal(sniffMediaType(bytesOf({ schemaVersion: 2, manifests: [] })), MediaType.ociIndex)
    assert.equal(sniffMediaType(bytesOf({ schemaVersion: 2, layers: [] })), MediaType.ociManifest)
    assert.equal(sniffMediaType(bytesOf({ schemaVersion: 2 })), undefined)
    assert.equal(sniffMediaType(Buffer.from('nothing')), undefined)
  })
})

suite('refusing', () => {
  const bad: Record<string, Uint8Array> = {
    'no JSON': Buffer.from('{'),
    'bad UTF-8': Buffer.from([0x7b, 0xff, 0x7d]),
    'no object': bytesOf([]),
    'schema 1': bytesOf({ schemaVersion: 1, fsLayers: [] }),
    'neither kind': bytesOf({ schemaVersion: 2 }),
    'both kinds': bytesOf({ schemaVersion: 2, layers: [], manifests: [] }),
    'a type of the other kind': bytesOf({ schemaVersion: 2, mediaType: MediaType.ociIndex, layers: [] }),
    'another digest': bytesOf({ schemaVersion: 2, layers: [{ ...LAYER, digest: 'md5:1' }] }),
    'a negative size': bytesOf({ schemaVersion: 2, layers: [{ ...LAYER, size: -1 }] }),
    'a fractional size': bytesOf({ schemaVersion: 2, layers: [{ ...LAYER, size: 1.5 }] }),
    'too many layers': bytesOf({ schemaVersion: 2, layers: Array.from({ length: 4097 }, () => LAYER) }),
    'more than 4 MiB': Buffer.alloc(4 * 1024 * 1024 + 1, ' '),
    'deep nesting': Buffer.from(`{"schemaVersion":2,"layers":[],"x":${'['.repeat(100)}${']'.repeat(100)}}`),
  }
  for (const [name, bytes] of Object.entries(bad)) {
    test(name, () => {
      assert.throws(() => parseManifest('', bytes), InvalidManifestError)
    })
  }

  test('a Content-Type of the other kind', () => {
    assert.throws(
      () => parseManifest(MediaType.ociIndex, bytesOf({ schemaVersion: 2, layers: [] })),
      InvalidManifestError,
    )
  })

  test('a brace in a string is not nesting', () => {
    parseManifest('', bytesOf({ schemaVersion: 2, layers: [], annotations: { x: '\\"[{'.repeat(100) } }))
  })
})
