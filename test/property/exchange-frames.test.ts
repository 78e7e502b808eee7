import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { PeerProtocolError } from '../../src/exchange/errors.ts'
import { encodeFrameHead, FrameDecoder, MAX_HEADER_BYTES } from '../../src/exchange/frame-codec.ts'

const MAX_PAYLOAD_BYTES = 2000

interface Frame {
  readonly header: Uint8Array
  readonly payload: Uint8Array
}

const frames = fc.array(
  fc.record({
    header: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    payload: fc.uint8Array({ maxLength: MAX_PAYLOAD_BYTES }),
  }),
  { maxLength: 6 },
)

function wire(list: readonly Frame[]): Uint8Array {
  return Buffer.concat(list.flatMap(({ header, payload }) => [encodeFrameHead(header, payload.byteLength), payload]))
}

/** Collects frames and refuses payloads above the limit, as every sink of ours does. */
function collector() {
  const got: Frame[] = []
  let current: Frame | undefined
  let allocatedBytes = 0
  const decoder = new FrameDecoder({
    onHeader(header, payloadBytes) {
      if (payloadBytes > MAX_PAYLOAD_BYTES) throw new PeerProtocolError('too long')
      allocatedBytes += payloadBytes
      current = { header, payload: new Uint8Array(payloadBytes) }
      return current.payload
    },
    onFrame() {
      if (current !== undefined) got.push(current)
    },
  })
  return { decoder, got, allocatedBytes: () => allocatedBytes }
}

function pushInPieces(decoder: FrameDecoder, bytes: Uint8Array, sizes: readonly number[]): void {
  // One buffer for all pieces, overwritten after each: the decoder may not keep what it was lent.
  let at = 0
  for (let turn = 0; at < bytes.byteLength; turn += 1) {
    const size = sizes.length === 0 ? bytes.byteLength : (sizes[turn % sizes.length] ?? 1)
    const lent = bytes.slice(at, at + size)
    decoder.push(lent)
    lent.fill(0xee)
    at += size
  }
}

test('any split of the byte stream gives the same frames', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 20 }), (list, sizes) => {
      const { decoder, got } = collector()
      pushInPieces(decoder, wire(list), sizes)
      assert.deepEqual(
        got.map(({ header, payload }) => [[...header], [...payload]]),
        list.map(({ header, payload }) => [[...header], [...payload]]),
      )
      assert.equal(decoder.isBetweenFrames, true)
    }),
    { numRuns: 200 },
  )
})

test('a truncated stream gives only whole frames and is known to be cut', () => {
  fc.assert(
    fc.property(frames, fc.nat(), (list, seed) => {
      const bytes = wire(list)
      const cut = bytes.byteLength === 0 ? 0 : seed % bytes.byteLength
      const { decoder, got } = collector()
      decoder.push(bytes.subarray(0, cut))
      assert.ok(got.length <= list.length)
      const wholeBytes = wire(list.slice(0, got.length)).byteLength
      assert.equal(decoder.isBetweenFrames, wholeBytes === cut)
    }),
    { numRuns: 200 },
  )
})

test('a mutated stream never does worse than a protocol error, and never makes the receiver hold more than its limits', () => {
  fc.assert(
    fc.property(
      frames,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 }),
      (list, changes) => {
        const bytes = wire(list)
        if (bytes.byteLength === 0) return
        for (const [at, value] of changes) bytes[at % bytes.byteLength] = value
        const { decoder, got, allocatedBytes } = collector()
        try {
          decoder.push(bytes)
        } catch (error) {
          assert.ok(error instanceof PeerProtocolError)
          assert.equal(error.blame, 'peer')
          const before = got.length
          decoder.push(wire(list))
          assert.equal(got.length, before, 'a decoder that has failed takes nothing more')
        }
        assert.ok(allocatedBytes() <= bytes.byteLength + MAX_PAYLOAD_BYTES)
      },
    ),
    { numRuns: 300 },
  )
})

test('headers without bytes or above the limit are refused before anything is allocated', () => {
  for (const headerBytes of [0, MAX_HEADER_BYTES + 1, 0xffffffff]) {
    const prefix = new Uint8Array(8)
    new DataView(prefix.buffer).setUint32(0, headerBytes)
    assert.throws(() => collector().decoder.push(prefix), PeerProtocolError)
  }
})

test('a payload that nobody wants is thrown away without a buffer', () => {
  let frameCount = 0
  const decoder = new FrameDecoder({ onHeader: () => undefined, onFrame: () => void (frameCount += 1) })
  decoder.push(
    wire([
      { header: Uint8Array.of(1), payload: new Uint8Array(5000) },
      { header: Uint8Array.of(2), payload: new Uint8Array(0) },
    ]),
  )
  assert.equal(frameCount, 2)
})
