import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  type Challenge,
  imageReferenceText,
  InvalidManifestError,
  isRepositoryName,
  isTag,
  normalizeNamespace,
  parseChallenges,
  parseDistributionPath,
  parseImageReference,
  parseManifest,
  parsePlatform,
  referenceText,
} from '../../src/oci/index.ts'

const component = fc.stringMatching(/^[a-z0-9]{1,8}([._-][a-z0-9]{1,4})?$/)
const repository = fc.array(component, { minLength: 1, maxLength: 4 }).map((components) => components.join('/'))
const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`)
const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/)
const namespace = fc.stringMatching(/^[a-z0-9]{1,8}\.[a-z]{2,5}(:[1-9][0-9]{0,3})?$/)
// Text made of what matters to the parsers is far more likely to get deep into them than any text.
const piecewise = (...pieces: string[]) =>
  fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 4 }))).map((all) => all.join(''))

test('a path of the API gives back its parts', () => {
  fc.assert(
    fc.property(fc.option(namespace, { nil: undefined }), repository, fc.oneof(tag, digest), (host, name, text) => {
      const full = host === undefined ? name : `${host}/${name}`
      const parsed = parseDistributionPath(`/v2/${full}/manifests/${text}`)
      assert.ok(parsed?.kind === 'manifest')
      assert.equal(parsed.name, full)
      assert.equal(referenceText(parsed.reference), text)
    }),
  )
})

test('any path is parsed without a crash and names nothing outside the grammar', () => {
  const path = piecewise(
    '/v2/',
    '/',
    'manifests/',
    'blobs/',
    'uploads',
    'tags/list',
    'referrers/',
    '%3a',
    '%2f',
    '..',
    'a',
    `sha256:${'0'.repeat(64)}`,
  )
  fc.assert(
    fc.property(path, (text) => {
      const parsed = parseDistributionPath(`/v2/${text}`)
      if (parsed === undefined || !('name' in parsed)) return
      assert.ok(!parsed.name.split('/').some((part) => part === '' || part === '.' || part === '..'))
      assert.match(parsed.name, /^[a-z0-9._:[\]/-]+$/i)
    }),
  )
})

test('an image reference written out is read back', () => {
  fc.assert(
    fc.property(
      namespace,
      repository,
      fc.option(tag, { nil: undefined }),
      fc.option(digest, { nil: undefined }),
      (host, name, label, id) => {
        const text = `${host}/${name}${label === undefined ? '' : `:${label}`}${id === undefined ? '' : `@${id}`}`
        const image = parseImageReference(text)
        assert.ok(image)
        assert.equal(image.namespace, host)
        assert.equal(image.digest, id)
        assert.deepEqual(parseImageReference(imageReferenceText(image)), image)
      },
    ),
  )
})

test('any text is an image reference of legal parts or none', () => {
  fc.assert(
    fc.property(piecewise('/', ':', '@', '.', 'a', 'sha256:', 'localhost', '0'), (text) => {
      const image = parseImageReference(text)
      if (image === undefined) return
      assert.ok(isRepositoryName(image.repository))
      assert.ok(image.tag === undefined || isTag(image.tag))
      assert.equal(normalizeNamespace(image.namespace), image.namespace)
    }),
  )
})

test('any text is a platform or none', () => {
  fc.assert(fc.property(piecewise('/', 'linux', 'amd64', 'v8'), (text) => void parsePlatform(text)))
})

const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,8}$/)
const challenge = fc.record({
  scheme: token,
  params: fc.dictionary(
    token.map((name) => name.toLowerCase()),
    fc.string({ maxLength: 20 }),
    { minKeys: 1, maxKeys: 4 },
  ),
})

test('challenges written out are read back', () => {
  fc.assert(
    fc.property(fc.array(challenge, { maxLength: 4 }), (challenges) => {
      const header = challenges.map(({ scheme, params }) => `${scheme} ${paramsText(params)}`).join(', ')
      const expected = challenges.map(({ scheme, params }) => ({ scheme: scheme.toLowerCase(), params: { ...params } }))
      assert.deepEqual(parseChallenges(header).map(plain), expected)
    }),
  )
})

test('any header gives a bounded list of challenges', () => {
  fc.assert(
    fc.property(piecewise('Bearer ', 'Basic', 'realm=', '"', '\\', ',', ' ', '=', 'a'), (header) => {
      const challenges = parseChallenges(header)
      assert.ok(challenges.length <= 16)
      for (const { scheme, params } of challenges) assert.ok(scheme !== '' && params.size <= 32)
    }),
  )
})

test('any JSON, and any bytes, are a manifest or refused as none', () => {
  const descriptor = fc.record({
    digest: fc.oneof(digest, fc.string()),
    size: fc.oneof(fc.nat(), fc.double()),
    mediaType: fc.string(),
  })
  const list = fc.option(fc.array(descriptor, { maxLength: 3 }))
  const document = fc.record(
    {
      schemaVersion: fc.constantFrom<unknown>(2, 2, 2, 1, '2'),
      layers: list,
      manifests: list,
      config: fc.option(descriptor),
      annotations: fc.jsonValue(),
    },
    { requiredKeys: ['schemaVersion'] },
  )
  const bytes = fc.oneof(
    document.map((value) => Buffer.from(JSON.stringify(value))),
    fc.json().map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 50 }),
  )
  fc.assert(
    fc.property(bytes, (input) => {
      try {
        const manifest = parseManifest('', input)
        for (const { sizeBytes } of [...manifest.layers, ...manifest.manifests])
          assert.ok(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0)
      } catch (error) {
        assert.ok(error instanceof InvalidManifestError, String(error))
      }
    }),
  )
})

function paramsText(params: Readonly<Record<string, string>>): string {
  return Object.entries(params)
    .map(([name, value]) => `${name}="${value.replace(/["\\]/g, '\\$&')}"`)
    .join(',')
}

function plain({ scheme, params }: Challenge): { scheme: string; params: Record<string, string> } {
  return { scheme, params: Object.fromEntries(params) }
}
