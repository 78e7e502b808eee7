import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  ChunkLayoutError,
  ChunkMap,
  cutAlongToc,
  decodeChunkMap,
  decodeTocLayout,
  encodeChunkMap,
  encodeTocLayout,
  MAX_CHUNKS,
  TocLayout,
  type TocMembers,
} from '../../src/chunking/index.ts'
import { digestOf } from '../../src/core/index.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** A member of a layer: how long it is, and the mark that its content has. */
interface Member {
  readonly length: number
  readonly mark: number
}

const mark = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const smallMember = fc.record({ length: fc.integer({ min: 1, max: 80 * KIB }), mark })
const anyMember = fc.record({
  length: fc.oneof(fc.integer({ min: 1, max: 64 * KIB }), fc.integer({ min: 1, max: 5 * MIB })),
  mark,
})

function membersOf(members: readonly Member[], before = 0): { members: TocMembers; sizeBytes: number } {
  let at = before
  const offsets = members.map(({ length }) => (at += length) - length)
  return {
    members: { offsets: Float64Array.from(offsets), marks: Uint32Array.from(members.map((member) => member.mark)) },
    sizeBytes: at,
  }
}

function chunksOf(layout: TocLayout): { start: number; length: number }[] {
  return Array.from({ length: layout.chunkCount }, (_, chunk) => ({
    start: layout.offsetOf(chunk),
    length: layout.lengthOf(chunk),
  }))
}

/** The chunks of a layer, each as the runs of member bytes that it is made of. */
function contentsOf(members: readonly Member[]): string[] {
  const { members: toc, sizeBytes } = membersOf(members)
  const layout = cutAlongToc(toc, sizeBytes)
  return chunksOf(layout).map(({ start, length }) => {
    const runs: string[] = []
    members.forEach((member, index) => {
      const from = toc.offsets[index] ?? 0
      const [first, last] = [Math.max(start, from), Math.min(start + length, from + member.length)]
      if (first < last) runs.push(`${member.mark}/${member.length}:${first - from}-${last - from}`)
    })
    return runs.join()
  })
}

test('the cut covers the blob in chunks of at most 1 MiB, and is the same each time', () => {
  fc.assert(
    fc.property(fc.array(anyMember, { maxLength: 60 }), fc.nat(3 * MIB), (list, before) => {
      const { members, sizeBytes } = membersOf(list, before)
      const layout = cutAlongToc(members, sizeBytes)
      assert.equal(layout.sizeBytes, sizeBytes)
      assert.ok(layout.maxChunkBytes <= MIB)
      let end = 0
      for (const [chunk, { start, length }] of chunksOf(layout).entries()) {
        assert.equal(start, end)
        assert.ok(length > 0)
        assert.equal(layout.chunkAt(start), chunk)
        assert.equal(layout.chunkAt(start + length - 1), chunk)
        end = start + length
      }
      assert.equal(end, sizeBytes)
      assert.equal(cutAlongToc(members, sizeBytes).fingerprint, layout.fingerprint)
    }),
    { numRuns: 200 },
  )
})

test('a blob with however many members has at most as many chunks as a map may have', () => {
  const length = 600 * KIB
  const list = Array.from({ length: 3 * MAX_CHUNKS }, (_, index) => ({ length, mark: index }))
  const { members, sizeBytes } = membersOf(list)
  const layout = cutAlongToc(members, sizeBytes)
  assert.ok(layout.chunkCount <= MAX_CHUNKS && layout.chunkCount > MAX_CHUNKS / 4, `${layout.chunkCount} chunks`)
})

test('what changes in one place changes the chunks around it only', () => {
  fc.assert(
    fc.property(
      fc.array(smallMember, { minLength: 100, maxLength: 300 }),
      fc.array(smallMember, { maxLength: 3 }),
      fc.nat(),
      fc.nat(3),
      (list, inserted, at, removed) => {
        const index = at % list.length
        const changed = [...list.slice(0, index), ...inserted, ...list.slice(index + removed)]
        const before = new Set(contentsOf(list))
        const fresh = contentsOf(changed).filter((chunk) => !before.has(chunk))
        // The members touched, and how far it takes until a mark ends a chunk of both: a few targets.
        const bytes = fresh.join().split(',').filter(Boolean).length
        assert.ok(fresh.length <= 12, `${fresh.length} of ${before.size} chunks, ${bytes} members`)
      },
    ),
    { numRuns: 200, seed: 7 },
  )
})

test('a layout and a map along it come back from their bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 2 ** 32 }), { minLength: 1, maxLength: 50 }), (lengths) => {
      let end = 0
      const layout = new TocLayout(Float64Array.from(lengths.map((length) => (end += length))))
      const decoded = decodeTocLayout(encodeTocLayout(layout), end)
      assert.equal(decoded.fingerprint, layout.fingerprint)
      assert.deepEqual(chunksOf(decoded), chunksOf(layout))
      const blob = { digest: digestOf(Buffer.from('blob')), sizeBytes: end }
      const map = new ChunkMap({ blob, layout, digests: new Uint8Array(lengths.length * 32).fill(3) })
      assert.ok(decodeChunkMap(encodeChunkMap(map)).equals(map))
    }),
  )
})

test('two layouts of a blob have one fingerprint exactly if they cut alike', () => {
  const ends = fc
    .uniqueArray(fc.integer({ min: 1, max: 30 }), { minLength: 1 })
    .map((list) => [...list, 31].sort((a, b) => a - b))
  fc.assert(
    fc.property(ends, ends, (a, b) => {
      const isSame = JSON.stringify(a) === JSON.stringify(b)
      const [one, other] = [new TocLayout(Float64Array.from(a)), new TocLayout(Float64Array.from(b))]
      assert.equal(one.fingerprint === other.fingerprint, isSame)
    }),
  )
})

test('bytes that are no layout of the blob are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(5_000), (bytes, sizeBytes) => {
      try {
        const layout = decodeTocLayout(bytes, sizeBytes)
        assert.equal(layout.sizeBytes, sizeBytes)
        assert.deepEqual(encodeTocLayout(decodeTocLayout(encodeTocLayout(layout), sizeBytes)), encodeTocLayout(layout))
      } catch (error) {
        assert.ok(error instanceof ChunkLayoutError)
      }
    }),
  )
  const layout = new TocLayout(Float64Array.from([5, 9]))
  const bytes = encodeTocLayout(layout)
  for (const [spoilt, size] of [
    [bytes, 8],
    [bytes, 10],
    [bytes.subarray(1), 9],
    [Uint8Array.from([...bytes, 0]), 9],
    [Uint8Array.from([0, ...bytes]), 9],
    [Uint8Array.from([0x85]), 5],
  ] as const)
    assert.throws(() => decodeTocLayout(spoilt, size), ChunkLayoutError)
  assert.throws(() => new TocLayout(new Float64Array(MAX_CHUNKS + 1).map((_, index) => index + 1)), RangeError)
})
