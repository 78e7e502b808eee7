import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DocumentProtocolError, parseDocumentRequest } from '../../src/catalog/document-protocol.ts'
import { digestOf } from '../../src/core/index.ts'

const origin = fc.record({
  namespace: fc.constant('registry.test:5000'),
  repository: fc.stringMatching(/^[a-z0-9]{1,20}(\/[a-z0-9]{1,20})?$/),
})
const digest = fc.uint8Array().map((bytes) => digestOf(bytes))
const request = fc.oneof(
  fc.record({
    kind: fc.constant('tag' as const),
    origin,
    tag: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/),
  }),
  fc.record({ kind: fc.constant('manifest' as const), origin, digest }),
  fc.record({ kind: fc.constant('public' as const), origin }),
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
