import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { digestFromBytes } from '../../src/core/index.ts'
import { PeerProtocolError } from '../../src/exchange/errors.ts'
import { MAX_HEADER_BYTES } from '../../src/exchange/frame-codec.ts'
import {
  MAX_ADDRESS_CHARS,
  MAX_ADDRESSES_PER_PEER,
  MAX_ANNOUNCED_PER_MESSAGE,
  MAX_HAVE_CHUNKS,
  MAX_NAME_CHARS,
  MAX_PEERS_PER_MESSAGE,
} from '../../src/exchange/limits.ts'
import { decodeMessage } from '../../src/exchange/message-decoder.ts'
import { encodeMessage } from '../../src/exchange/message-encoder.ts'
import type { ExchangeMessage } from '../../src/exchange/messages.ts'

const u32 = fc.integer({ min: 0, max: 0xffffffff })
const raw = fc.uint8Array({ minLength: 32, maxLength: 32 })
const digest = raw.map(digestFromBytes)
const ref = fc.record({ digest, sizeBytes: fc.integer({ min: 0, max: 2 ** 40 }) })
const name = fc.string({ maxLength: 80 })
const peers = fc.array(fc.record({ id: name, addresses: fc.array(name, { maxLength: 4 }) }), { maxLength: 5 })
const kind = <K extends string>(value: K) => fc.constant(value)

const message: fc.Arbitrary<ExchangeMessage> = fc.oneof(
  fc.record({
    kind: kind('hello'),
    version: u32,
    role: fc.constantFrom('agent' as const, 'tracker' as const),
    zone: name,
  }),
  fc.record({
    kind: kind('hello'),
    version: u32,
    role: kind('agent' as const),
    zone: name,
    bulkPort: fc.integer({ min: 1, max: 65_535 }),
  }),
  fc.record({
    kind: kind('follow'),
    follow: u32,
    ref,
    origins: fc.array(fc.record({ namespace: name, repository: name }), { maxLength: 4 }),
  }),
  fc.record({ kind: kind('unfollow'), follow: u32 }),
  fc.record({ kind: kind('announce'), isHeld: fc.boolean(), digests: fc.array(digest, { maxLength: 8 }) }),
  fc.record({ kind: kind('mapRequest'), request: u32, digest }),
  fc.record({ kind: kind('bitfield'), follow: u32, bits: fc.uint8Array({ maxLength: 512 }) }),
  fc.array(fc.tuple(u32, raw), { maxLength: 8 }).chain((list) =>
    fc.record({
      kind: kind('have'),
      follow: u32,
      chunks: fc.constant(list.map(([chunk]) => chunk)),
      digests: fc.constant(list.map(([, of]) => of)),
    }),
  ),
  fc.record({ kind: kind('peers'), follow: u32, peers }),
  fc.record({ kind: kind('mapReply'), request: u32 }),
  fc.record({ kind: kind('gone'), follow: u32 }),
  fc.record({
    kind: kind('want'),
    ref,
    chunk: fc.oneof(u32, fc.constant('any' as const)),
    urgency: fc.constantFrom('now' as const, 'soon' as const, 'later' as const, 'idle' as const),
  }),
  fc.record({ kind: kind('chunk'), chunk: u32, digest: raw }),
  fc.record({ kind: kind('busy'), waitMs: fc.integer({ min: 0, max: 30_000 }), alternates: peers }),
  fc.record({ kind: fc.constantFrom('cancel' as const, 'lacks' as const, 'cancelled' as const) }),
)

/** Plain values: protobuf lists carry marks of their own. */
const plain = (value: ExchangeMessage) => JSON.parse(JSON.stringify(value)) as unknown

test('every message reads back as it was written', () => {
  fc.assert(
    fc.property(message, (original) =>
      assert.deepEqual(plain(decodeMessage(encodeMessage(original))), plain(original)),
    ),
    { numRuns: 300 },
  )
})

test('bytes that are no message, or one beyond the limits, are a protocol error and nothing else', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 200 }), message.map(encodeMessage)),
      fc.nat(),
      fc.nat(255),
      (bytes, at, value) => {
        const mutated = Uint8Array.from(bytes)
        if (mutated.byteLength > 0) mutated[at % mutated.byteLength] = value
        try {
          decodeMessage(mutated)
        } catch (error) {
          assert.ok(error instanceof PeerProtocolError, String(error))
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('the largest message of each kind that has a list fits into a header', () => {
  const one = new Uint8Array(32).fill(255)
  const chunks = Array.from({ length: MAX_HAVE_CHUNKS }, (_, chunk) => 1_000_000 + chunk)
  const peer = {
    id: 'x'.repeat(60),
    addresses: Array(MAX_ADDRESSES_PER_PEER).fill('y'.repeat(MAX_ADDRESS_CHARS)) as string[],
  }
  const manyPeers = Array.from({ length: MAX_PEERS_PER_MESSAGE }, () => peer)
  const largest: ExchangeMessage[] = [
    { kind: 'have', follow: 0xffffffff, chunks, digests: chunks.map(() => one) },
    { kind: 'announce', isHeld: true, digests: Array(MAX_ANNOUNCED_PER_MESSAGE).fill(digestFromBytes(one)) },
    { kind: 'peers', follow: 0xffffffff, peers: manyPeers },
    { kind: 'busy', waitMs: 1, alternates: manyPeers },
  ]
  for (const each of largest) {
    const header = encodeMessage(each)
    assert.ok(header.byteLength <= MAX_HEADER_BYTES, each.kind)
    assert.deepEqual(plain(decodeMessage(header)), plain(each))
  }
})

test('lists, names and digests beyond their limits are refused', () => {
  const one = digestFromBytes(new Uint8Array(32))
  const bad: ExchangeMessage[] = [
    { kind: 'announce', isHeld: true, digests: Array(MAX_ANNOUNCED_PER_MESSAGE + 1).fill(one) },
    { kind: 'have', follow: 1, chunks: [1, 2], digests: [new Uint8Array(32)] },
    { kind: 'have', follow: 1, chunks: [1], digests: [new Uint8Array(31)] },
    { kind: 'bitfield', follow: 1, bits: new Uint8Array(2000) },
    { kind: 'hello', version: 1, role: 'agent', zone: 'z'.repeat(MAX_NAME_CHARS + 1) },
    { kind: 'hello', version: 1, role: 'agent', zone: '', bulkPort: 65_536 },
    { kind: 'want', ref: { digest: one, sizeBytes: 2 ** 41 }, chunk: 1, urgency: 'now' },
    { kind: 'chunk', chunk: 1, digest: new Uint8Array(5) },
  ]
  for (const each of bad)
    assert.throws(() => decodeMessage(encodeMessage(each)), PeerProtocolError, JSON.stringify(each).slice(0, 80))
})
