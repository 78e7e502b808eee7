import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  Bitfield,
  ChunkMap,
  ChunkMapError,
  decodeChunkMap,
  decodeSignedChunkMap,
  encodeChunkMap,
  encodeSignedChunkMap,
  gridLayout,
  MAX_BLOB_BYTES,
  MAX_CHUNKS,
  signChunkMap,
} from '../../src/chunking/index.ts'
import { digestFromBytes } from '../../src/core/index.ts'
import { mapSigner } from '../support/chunk-maps.ts'

const sizes = fc.oneof(
  fc.integer({ min: 0, max: MAX_BLOB_BYTES }),
  fc.integer({ min: 0, max: 8 * 1024 * 1024 }),
  fc.integer({ min: -2, max: 2 }).map((delta) => MAX_CHUNKS * 1024 * 1024 + delta),
)

const maps = fc
  .record({
    sizeBytes: fc.integer({ min: 0, max: 40 * 1024 * 1024 }),
    seed: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  })
  .map(({ sizeBytes, seed }) => {
    const layout = gridLayout(sizeBytes)
    const digests = new Uint8Array(layout.chunkCount * 32).map((_, index) => (seed[index % 32] ?? 0) ^ (index >> 5))
    return new ChunkMap({ blob: { digest: digestFromBytes(seed), sizeBytes }, layout, digests })
  })

test('a layout covers the blob exactly, in order, without gaps or empty chunks', () => {
  fc.assert(
    fc.property(sizes, (sizeBytes) => {
      const layout = gridLayout(sizeBytes)
      assert.ok(layout.chunkCount <= MAX_CHUNKS)
      let end = 0
      for (let chunk = 0; chunk < layout.chunkCount; chunk++) {
        assert.equal(layout.offsetOf(chunk), end)
        assert.ok(layout.lengthOf(chunk) > 0)
        end += layout.lengthOf(chunk)
        assert.equal(layout.chunkAt(end - 1), chunk)
        assert.equal(layout.chunkAt(layout.offsetOf(chunk)), chunk)
      }
      assert.equal(end, sizeBytes)
    }),
    { numRuns: 40 },
  )
})

test('a bitfield is a set of numbers and survives its wire form', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 70 }), fc.array(fc.tuple(fc.boolean(), fc.nat(69))), (length, steps) => {
      const field = new Bitfield(length)
      const model = new Set<number>()
      for (const [isSet, index] of steps.filter(([, index]) => index < length)) {
        if (isSet) field.set(index)
        else field.clear(index)
        if (isSet) model.add(index)
        else model.delete(index)
      }
      const copy = Bitfield.fromBytes(field.toBytes(), length)
      assert.equal(copy.count, model.size)
      assert.deepEqual(
        [...copy.indices()],
        [...model].sort((a, b) => a - b),
      )
    }),
  )
})

test('a chunk map survives its wire form', () => {
  fc.assert(fc.property(maps, (map) => assert.equal(decodeChunkMap(encodeChunkMap(map)).equals(map), true)))
})

test('a damaged chunk map is refused or still a whole map, never a crash', () => {
  fc.assert(
    fc.property(maps, fc.nat(), fc.nat(255), fc.nat(), (map, at, value, cut) => {
      const bytes = encodeChunkMap(map)
      const damaged = bytes.slice(0, bytes.length - (cut % 4 === 0 ? cut % bytes.length : 0))
      if (damaged.length > 0) damaged[at % damaged.length] = value
      const decoded = orChunkMapError(() => decodeChunkMap(damaged))
      if (decoded !== undefined) assert.equal(decoded.digests.byteLength, decoded.layout.chunkCount * 32)
    }),
  )
})

test('random bytes are never a crash', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void orChunkMapError(() => decodeChunkMap(bytes))),
  )
})

test('a damaged signed map is refused or says exactly what was signed', async () => {
  const signer = await mapSigner(3)
  await fc.assert(
    fc.asyncProperty(maps, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), async (map, at, flip, isCut) => {
      const bytes = encodeSignedChunkMap(await signChunkMap(map, signer))
      const damaged = isCut ? bytes.slice(0, at % bytes.length) : bytes.slice()
      if (!isCut) damaged[at % bytes.length] = (damaged[at % bytes.length] ?? 0) ^ flip
      const decoded = await decodeSignedChunkMap(damaged).catch((error: unknown) =>
        assert.ok(error instanceof ChunkMapError),
      )
      if (decoded) assert.equal(decoded.map.equals(map) && decoded.signer === signer.peerId, true)
    }),
    { numRuns: 60 },
  )
})

function orChunkMapError<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    assert.ok(error instanceof ChunkMapError)
    return undefined
  }
}
