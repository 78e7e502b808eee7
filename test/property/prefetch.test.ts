import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../../src/core/index.ts'
import { type Answer, type Ask, encodeMessage, parseAnswer, parseAsk } from '../../src/prefetch/messages.ts'
import { MAX_HOPS, MAX_MEMBERS, tailOf } from '../../src/prefetch/order.ts'
import { EMPTY_TALLY, sumOf, type Tally, tallyOf } from '../../src/prefetch/tally.ts'
import { PEER_ID } from '../support/config-sources.ts'

const text = fc.string({ maxLength: 60 })
const amount = fc.nat({ max: 1e9 })
const peer = fc.record({ id: fc.constant(PEER_ID), addresses: fc.array(text, { maxLength: 4 }) })
const bytesBySource = fc.record({ store: amount, peers: amount, tracker: amount, origin: amount })

const order: fc.Arbitrary<Ask> = fc.record(
  {
    kind: fc.constant('order' as const),
    id: fc.uuid(),
    image: fc.record({
      namespace: fc.constant('registry.test:5000'),
      repository: fc.stringMatching(/^[a-z0-9]{1,20}(\/[a-z0-9]{1,20})?$/),
      digest: fc.uint8Array().map((bytes) => digestOf(bytes)),
    }),
    platform: fc.constantFrom('linux/amd64', 'linux/arm/v7'),
    target: fc.oneof(
      fc.constantFrom({ kind: 'all' as const }, { kind: 'named' as const }),
      fc.record({ kind: fc.constant('zone' as const), zone: fc.string({ minLength: 1, maxLength: 60 }) }),
    ),
    hops: fc.nat({ max: MAX_HOPS }),
    timeoutMs: fc.nat({ max: 86_400_000 }),
    path: fc.array(fc.constant(PEER_ID), { maxLength: 5 }),
    members: fc.array(peer, { maxLength: 5 }),
    covered: fc.array(fc.constant(tailOf(PEER_ID)), { maxLength: 5 }),
    isAgain: fc.boolean(),
  },
  {
    requiredKeys: ['kind', 'id', 'image', 'target', 'hops', 'timeoutMs', 'path', 'members', 'covered', 'isAgain'],
  },
)

const failure = { peer: fc.uuid().map((id) => `${PEER_ID.slice(0, -4)}${id.slice(0, 4)}`), name: text, reason: text }

/** As one node or one branch says it: who is listed as unreachable is counted as that. */
const tally: fc.Arbitrary<Tally> = fc
  .record({
    nodes: fc.record({
      waiting: amount,
      running: amount,
      done: amount,
      failed: amount,
      unreachable: fc.constant(0),
      relays: amount,
    }),
    heldBytes: amount,
    sizeBytes: amount,
    bytesBySource,
    failures: fc.array(fc.record(failure), { maxLength: 4 }),
    unreached: fc.uniqueArray(fc.record({ ...failure, addresses: fc.array(text, { maxLength: 4 }) }), {
      maxLength: 4,
      selector: ({ peer: id }) => id,
    }),
  })
  .map((value) => ({ ...value, nodes: { ...value.nodes, unreachable: value.unreached.length } }))

const answer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({ kind: fc.constant('accepted' as const), name: text, isMeant: fc.boolean() }),
  fc.record({ kind: fc.constant('refused' as const), name: text, reason: text }),
  fc.constant({ kind: 'elsewhere' as const }),
  fc.record({
    kind: fc.constant('members' as const),
    role: fc.constantFrom('agent' as const, 'tracker' as const),
    members: fc.array(peer, { maxLength: 5 }),
  }),
  fc.record({
    kind: fc.constant('report' as const),
    isFinal: fc.boolean(),
    tally: tally.map((value) => ({ ...value, failures: [], unreached: [], slowest: undefined })),
    told: fc.array(peer, { maxLength: 5 }),
  }),
)

/** What it is after it was sent. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

/** The message, or `undefined` for a protocol error; anything else fails the test. */
function parsed<T>(parse: (frame: Uint8Array) => T, frame: Uint8Array): T | undefined {
  try {
    return parse(frame)
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'PREFETCH_PROTOCOL')
    return undefined
  }
}

test('what is asked and answered comes out as it went in', () => {
  fc.assert(fc.property(order, (message) => assert.deepEqual(plain(parseAsk(encodeMessage(message))), plain(message))))
  fc.assert(
    fc.property(answer, (message) => assert.deepEqual(plain(parseAnswer(encodeMessage(message))), plain(message))),
  )
})

test('bytes off the wire are a message or a protocol error, never anything else', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 2_000 }), fc.json().map(Buffer.from)), (frame) => {
      parsed(parseAsk, frame)
      parsed(parseAnswer, frame)
    }),
  )
})

test('an order with a field too many, too long or of the wrong kind is refused', () => {
  const changes: readonly ((value: Record<string, unknown>) => unknown)[] = [
    (value) => ({ ...value, more: 1 }),
    (value) => ({ ...value, kind: 'command' }),
    (value) => ({ ...value, id: 'no uuid' }),
    (value) => ({ ...value, image: { ...(value.image as object), namespace: 'REGISTRY/../x' } }),
    (value) => ({ ...value, image: { ...(value.image as object), digest: 'sha256:short' } }),
    (value) => ({ ...value, platform: 'linux' }),
    (value) => ({ ...value, hops: MAX_HOPS + 1 }),
    (value) => ({ ...value, timeoutMs: 1e12 }),
    (value) => ({ ...value, members: Array.from({ length: MAX_MEMBERS + 1 }, () => ({ id: PEER_ID, addresses: [] })) }),
    (value) => ({ ...value, members: [{ id: 'not a peer', addresses: [] }] }),
    (value) => ({ ...value, path: Array.from({ length: MAX_HOPS + 2 }, () => PEER_ID) }),
    (value) => ({ ...value, target: { kind: 'zone', zone: '' } }),
    (value) => [value],
  ]
  fc.assert(
    fc.property(order, fc.constantFrom(...changes), (value, change) => {
      const frame = Buffer.from(JSON.stringify(change(value as unknown as Record<string, unknown>)))
      assert.equal(parsed(parseAsk, frame), undefined)
    }),
  )
})

test('tallies add up in any order and in any grouping, and stay small', () => {
  fc.assert(
    fc.property(fc.array(tally, { maxLength: 40 }), (tallies) => {
      const whole = sumOf(tallies)
      const halves = sumOf([sumOf(tallies.slice(0, 7)), sumOf(tallies.slice(7))])
      assert.deepEqual([halves.nodes.done, halves.heldBytes], [whole.nodes.done, whole.heldBytes])
      assert.equal(
        whole.nodes.done,
        tallies.reduce((sum, { nodes }) => sum + nodes.done, 0),
      )
      assert.ok(whole.failures.length <= 32 && whole.unreached.length <= 128)
      if (tallies.reduce((sum, { unreached }) => sum + unreached.length, 0) <= 128) {
        const distinct = new Set(tallies.flatMap(({ unreached }) => unreached.map((node) => node.peer)))
        assert.equal(whole.nodes.unreachable, distinct.size)
      }
    }),
  )
  assert.deepEqual(sumOf([EMPTY_TALLY, tallyOf('done')]), { ...tallyOf('done'), slowest: undefined })
})
