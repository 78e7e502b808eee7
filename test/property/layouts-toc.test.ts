import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { digestOf } from '../../src/core/index.ts'
import { tocAnchorOf } from '../../src/oci/index.ts'
import { TocError } from '../../src/layouts/errors.ts'
import { ESTARGZ_FOOTER_BYTES, tocOffsetOf } from '../../src/layouts/estargz-footer.ts'
import { membersOf, type TocSection } from '../../src/layouts/toc-members.ts'
import { estargzFooter, estargzLayer, type TocLayer, zstdChunkedLayer } from '../support/toc-layers.ts'

const file = fc.record({ name: fc.stringMatching(/^app\/[a-z]{1,12}$/), content: fc.uint8Array({ maxLength: 3_000 }) })
const files = fc.array(file, { maxLength: 12 })

function sectionOf({ bytes, annotations }: TocLayer): TocSection {
  const anchor = tocAnchorOf(annotations)
  assert.ok(anchor !== undefined)
  const { format, digest } = anchor
  if (format === 'zstd-chunked')
    return {
      format,
      digest,
      offset: anchor.offset,
      bytes: bytes.subarray(anchor.offset, anchor.offset + anchor.sizeBytes),
    }
  const offset = tocOffsetOf(bytes.subarray(-ESTARGZ_FOOTER_BYTES)) ?? assert.fail('no footer')
  return { format, digest, offset, bytes: bytes.subarray(offset, -ESTARGZ_FOOTER_BYTES) }
}

test('the members of a layer are found where its files begin', () => {
  fc.assert(
    fc.property(files, fc.constantFrom(estargzLayer, zstdChunkedLayer), (list, make) => {
      const layer = make(list)
      const { offsets, marks } = membersOf(sectionOf(layer))
      assert.deepEqual([...offsets], layer.offsets)
      const expected = list.map(({ content }) => Number.parseInt(digestOf(content).slice(7, 15), 16))
      assert.deepEqual([...marks], expected)
    }),
    { numRuns: 60 },
  )
})

test('a table of contents with any byte changed is refused', () => {
  fc.assert(
    fc.property(
      files,
      fc.constantFrom(estargzLayer, zstdChunkedLayer),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (list, make, at, flip) => {
        const section = sectionOf(make(list))
        const bytes = Buffer.from(section.bytes)
        const index = at % bytes.byteLength
        bytes[index] = (bytes[index] ?? 0) ^ flip
        try {
          // What gzip does not look at may change; the JSON is still the one that the manifest names.
          assert.deepEqual(membersOf({ ...section, bytes }), membersOf(section))
          assert.equal(section.format, 'estargz')
        } catch (error) {
          assert.ok(error instanceof TocError)
        }
      },
    ),
    { numRuns: 100 },
  )
})

/** A zstd:chunked section with any JSON in it. */
function sectionWith(json: unknown, offset = 1_000): TocSection {
  const bytes = zstdCompressSync(Buffer.from(JSON.stringify(json) ?? ''))
  return { format: 'zstd-chunked', digest: digestOf(bytes), bytes, offset }
}

test('any JSON is members in ascending order before the table of contents, or a TocError', () => {
  const offset = fc.oneof(fc.nat(1_200), fc.constantFrom(-1, 0.5, null, '7', 2 ** 60))
  const entry = fc.oneof(
    fc.record({ offset, chunkDigest: fc.oneof(fc.string(), fc.constant(digestOf(Buffer.alloc(1)))) }),
    fc.jsonValue(),
  )
  fc.assert(
    fc.property(fc.oneof(fc.record({ entries: fc.array(entry) }), fc.jsonValue()), (json) => {
      try {
        const { offsets } = membersOf(sectionWith(json))
        offsets.forEach((at, index) => assert.ok(at > (offsets[index - 1] ?? -1) && at < 1_000))
      } catch (error) {
        assert.ok(error instanceof TocError, String(error))
      }
    }),
  )
})

test('what uncompresses to more than a table of contents may have is refused without being kept', () => {
  const bomb = Buffer.alloc(80 * 1024 * 1024)
  for (const [format, bytes] of [
    ['zstd-chunked', zstdCompressSync(bomb)],
    ['estargz', gzipSync(bomb)],
  ] as const)
    assert.throws(() => membersOf({ format, digest: digestOf(bytes), bytes, offset: 5 }), TocError)
})

test('a footer says an offset, and anything else does not', () => {
  fc.assert(fc.property(fc.maxSafeNat(), (offset) => assert.equal(tocOffsetOf(estargzFooter(offset)), offset)))
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => assert.equal(tocOffsetOf(bytes), undefined)))
  assert.equal(tocOffsetOf(Buffer.concat([estargzFooter(5), Buffer.alloc(1)])), undefined)
  const huge = Buffer.from(estargzFooter(5))
  huge.write('ffffffffffffffff', 16)
  assert.equal(tocOffsetOf(huge), undefined)
})

test('annotations give an anchor or none, whatever they say', () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.constantFrom(
          'containerd.io/snapshot/stargz/toc.digest',
          'io.github.containers.zstd-chunked.manifest-checksum',
          'io.github.containers.zstd-chunked.manifest-position',
        ),
        fc.oneof(fc.string(), fc.constantFrom(digestOf(Buffer.alloc(2)), '1:2:3:1', '1:2:3:2', '1:2:3')),
      ),
      (annotations) => {
        const anchor = tocAnchorOf(annotations)
        if (anchor?.format === 'zstd-chunked')
          assert.deepEqual([anchor.offset, anchor.sizeBytes, anchor.rawBytes], [1, 2, 3])
      },
    ),
  )
})
