import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { multipartBody } from '../../src/mirror/blob-body.ts'
import type { ByteRange } from '../../src/mirror/byte-ranges.ts'
import type { BlobHandle } from '../../src/mirror/index.ts'
import { planMultipart } from '../../src/mirror/multipart.ts'
import { patternBytes } from '../support/mirror-fakes.ts'
import { parseMultipart } from '../support/multipart-parser.ts'
import { type Lease, unpooled } from '../../src/util/index.ts'

const SIZE_BYTES = 4000

const range: fc.Arbitrary<ByteRange> = fc
  .tuple(fc.nat(SIZE_BYTES - 1), fc.integer({ min: 1, max: 300 }))
  .map(([start, length]) => ({ start, end: Math.min(start + length, SIZE_BYTES) }))

function memoryBlob(
  chunkBytes: number,
): BlobHandle & { readonly asked: ByteRange[]; readonly given: { bytes: number } } {
  const asked: ByteRange[] = []
  const given = { bytes: 0 }
  return {
    sizeBytes: SIZE_BYTES,
    asked,
    given,
    async *lend({ start, end }) {
      asked.push({ start, end })
      for (let at = start; at < end; at += chunkBytes) {
        const chunk = patternBytes(at, Math.min(at + chunkBytes, end))
        given.bytes += chunk.byteLength
        yield unpooled(chunk)
      }
    },
    close() {},
  }
}

async function* bytesOf(pieces: AsyncIterable<Lease>): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of pieces) yield bytes
}

test('a multipart body has the promised length and parses into the asked parts in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(range, { minLength: 2, maxLength: 30 }),
      fc.integer({ min: 1, max: 500 }),
      async (ranges, chunkBytes) => {
        const plan = planMultipart(ranges, SIZE_BYTES, 'application/octet-stream')
        const blob = memoryBlob(chunkBytes)
        const body = await buffer(bytesOf(multipartBody(blob, plan, {})))
        assert.equal(body.byteLength, plan.lengthBytes)
        const parts = parseMultipart(plan.contentType, body)
        assert.deepEqual(
          parts.map(({ start, end }) => ({ start, end })),
          ranges,
        )
        for (const part of parts) {
          assert.equal(part.sizeBytes, SIZE_BYTES)
          assert.ok(part.bytes.equals(patternBytes(part.start, part.end)))
        }
        assert.deepEqual(blob.asked, ranges)
      },
    ),
    { numRuns: 60 },
  )
})

test('a multipart body that is left early reads no more than the parts it had begun', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(range, { minLength: 8, maxLength: 30 }), fc.nat(5), async (ranges, taken) => {
      const blob = memoryBlob(50)
      const body = multipartBody(blob, planMultipart(ranges, SIZE_BYTES, 'application/octet-stream'), {})
      for (let i = 0; i < taken; i++) await body.next()
      await body.return()
      assert.ok(blob.asked.length <= taken + 4)
      assert.ok(blob.given.bytes <= (taken + 4) * 50)
    }),
    { numRuns: 60 },
  )
})
