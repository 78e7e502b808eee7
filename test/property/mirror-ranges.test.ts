import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { type AskedRange, MAX_RANGES, parseRangeHeader, resolveRanges } from '../../src/mirror/byte-ranges.ts'

const asked: fc.Arbitrary<AskedRange> = fc.oneof(
  fc
    .tuple(fc.nat(5000), fc.option(fc.nat(5000), { nil: undefined }))
    .map(([first, last]) => ({ kind: 'from' as const, first, last })),
  fc.nat(5000).map((lengthBytes) => ({ kind: 'suffix' as const, lengthBytes })),
)

function spelled(range: AskedRange): string {
  return range.kind === 'suffix' ? `-${range.lengthBytes}` : `${range.first}-${range.last ?? ''}`
}

test('a header that is written from ranges parses to the same ranges in the same order', () => {
  fc.assert(
    fc.property(
      fc.array(asked, { minLength: 1, maxLength: 50 }),
      fc.constantFrom(',', ', ', ' ,\t'),
      (ranges, separator) => {
        const parsed = parseRangeHeader(`bytes=${ranges.map(spelled).join(separator)}`)
        assert.deepEqual(parsed, { outcome: 'ranges', ranges })
      },
    ),
  )
})

test('no header makes the parser throw or give more than it promises', () => {
  const nearMiss = fc.stringMatching(/^(bytes|Bytes|items|)[ =]{0,2}[0-9,\- ]{0,60}$/)
  fc.assert(
    fc.property(fc.oneof(fc.string(), nearMiss), (header) => {
      const parsed = parseRangeHeader(header)
      if (parsed.outcome !== 'ranges') return
      assert.ok(parsed.ranges.length > 0 && parsed.ranges.length <= MAX_RANGES)
      for (const range of parsed.ranges) {
        const numbers = range.kind === 'suffix' ? [range.lengthBytes] : [range.first, range.last ?? 0]
        assert.ok(numbers.every((number) => Number.isSafeInteger(number) && number >= 0))
      }
    }),
  )
})

test('resolved ranges lie inside the blob, one for each asked, and give the bytes RFC 9110 says', () => {
  fc.assert(
    fc.property(fc.array(asked, { minLength: 1, maxLength: 8 }), fc.nat(6000), (ranges, sizeBytes) => {
      const resolved = resolveRanges(ranges, sizeBytes)
      if (resolved.outcome !== 'ranges') return
      assert.equal(resolved.ranges.length, ranges.length)
      for (const [index, { start, end }] of resolved.ranges.entries()) {
        assert.ok(0 <= start && start < end && end <= sizeBytes)
        const one = ranges[index] as AskedRange
        if (one.kind === 'suffix')
          assert.deepEqual({ start, end }, { start: Math.max(0, sizeBytes - one.lengthBytes), end: sizeBytes })
        else
          assert.deepEqual(
            { start, end },
            { start: one.first, end: Math.min(one.last === undefined ? sizeBytes : one.last + 1, sizeBytes) },
          )
      }
    }),
  )
})

test('a set is refused as a whole exactly when one of its ranges has no byte in the blob', () => {
  fc.assert(
    fc.property(fc.array(asked, { minLength: 1, maxLength: 8 }), fc.nat(6000), (ranges, sizeBytes) => {
      const isEmpty = (one: AskedRange): boolean =>
        one.kind === 'suffix'
          ? one.lengthBytes === 0 || sizeBytes === 0
          : one.first >= sizeBytes || (one.last ?? one.first) < one.first
      assert.equal(resolveRanges(ranges, sizeBytes).outcome === 'unsatisfiable', ranges.some(isEmpty))
    }),
  )
})
