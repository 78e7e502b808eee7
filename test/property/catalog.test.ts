import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DocumentProtocolError, parseDocumentRequest } from '../../src/catalog/document-protocol.ts'
import { digestOf, MAX_TRACE_CHUNKS } from '../../src/core/index.ts'

const origin = fc.record({
  namespace: fc.constant('registry.test:5000'),
  repository: fc.stringMatching(/^[a-z0-9]{1,20}(\/[a-z0-9]{1,20})?$/),
})
const digest = fc.uint8Array().map((bytes) => digestOf(bytes))
const trace = fc.integer({ min: 1, max: 2 ** 43 }).chain((sizeBytes) =>
  fc.record({
    sizeBytes: fc.constant(sizeBytes),
    offsets: fc.uniqueArray(fc.integer({ min: 0, max: sizeBytes - 1 }), { minLength: 1, maxLength: MAX_TRACE_CHUNKS }),
  }),
)
const request = fc.oneof(
  fc.record({
    kind: fc.constant('tag' as const),
    origin,
    tag: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/),
  }),
  fc.record({ kind: fc.constant('manifest' as const), origin, digest }),
  fc.record({ kind: fc.constant('public' as const), origin }),
  fc.record({ kind: fc.constant('trace' as const), digest, offer: trace }, { requiredKeys: ['kind', 'digest'] }),
)

function parse(bytes: Uint8Array) {
  try {
    return parseDocumentRequest(bytes)
  } catch (error) {
    assert.ok(error instanceof DocumentProtocolError)
    return undefined
  }
}

test('a request comes out as it went in', () => {
  fc.assert(
    fc.property(request, (value) => {
      const bytes = Buffer.from(JSON.stringify(value))
      assert.deepEqual(parse(bytes), JSON.parse(bytes.toString()))
    }),
  )
})

test('bytes off the wire are a request or a protocol error, never anything else', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 5_000 }), (bytes) => void parse(bytes)))
  fc.assert(fc.property(fc.json(), (json) => void parse(Buffer.from(json))))
})

test('a request with a field too many, too long or of the wrong kind is refused', () => {
  const spoil = fc.constantFrom<(value: Record<string, unknown>) => unknown>(
    (value) => ({ ...value, more: 1 }),
    (value) => ({ ...value, kind: 'blob' }),
    (value) => ({ ...value, origin: { namespace: 'registry.test', repository: 'a'.repeat(300) } }),
    (value) => ({ ...value, origin: { namespace: 'registry.test/../x', repository: 'app' } }),
    (value) => ({ ...value, origin: null }),
    (value) => [value],
  )
  fc.assert(
    fc.property(request, spoil, (value, change) => {
      assert.equal(parse(Buffer.from(JSON.stringify(change(value)))), undefined)
    }),
  )
  const longTag = { kind: 'tag', origin: { namespace: 'registry.test', repository: 'app' }, tag: 'a'.repeat(129) }
  assert.equal(parse(Buffer.from(JSON.stringify(longTag))), undefined)
})

test('a trace with offsets beyond its layer, twice the same, too many or none is refused', () => {
  const spoil = fc.constantFrom<(value: { sizeBytes: number; offsets: number[] }) => unknown>(
    ({ sizeBytes, offsets }) => ({ sizeBytes, offsets: [...offsets, sizeBytes] }),
    ({ sizeBytes, offsets }) => ({ sizeBytes, offsets: [...offsets, offsets[0]] }),
    ({ sizeBytes, offsets }) => ({ sizeBytes, offsets: [-1, ...offsets] }),
    ({ sizeBytes, offsets }) => ({ sizeBytes, offsets: [0.5, ...offsets] }),
    ({ sizeBytes }) => ({ sizeBytes, offsets: [] }),
    ({ offsets }) => ({ sizeBytes: 2 ** 20, offsets: [...offsets, ...Array(MAX_TRACE_CHUNKS + 1).keys()] }),
    ({ offsets }) => ({ offsets }),
    ({ sizeBytes, offsets }) => ({ sizeBytes, offsets, more: 1 }),
  )
  fc.assert(
    fc.property(digest, trace, spoil, (of, value, change) => {
      const bytes = Buffer.from(JSON.stringify({ kind: 'trace', digest: of, offer: change(value) }))
      assert.equal(parse(bytes), undefined)
    }),
  )
})
