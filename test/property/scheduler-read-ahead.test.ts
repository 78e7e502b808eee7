import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { defaultSettings } from '../../src/scheduler/index.ts'
import { readAheadLab } from '../support/read-ahead-lab.ts'

const KIB = 1024
const MIB = 1024 * KIB
const SIZE = 256 * MIB

/** Further apart than a gap that is passed over. */
const FAR = MIB

test('never more is wanted ahead than was read, nor than the limit for each reader', () => {
  const step = fc.record({ start: fc.nat(8 * MIB), length: fc.integer({ min: 1, max: 3 * MIB }) })
  const reads = fc.array(
    fc.oneof(
      step,
      step.map(({ length }) => ({ start: undefined, length })),
    ),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(reads, (some) => {
      const lab = readAheadLab(SIZE)
      let readBytes = 0
      let end = 0
      for (const { start = end, length } of some) {
        end = start + length
        readBytes += length
        lab.read(start, end)
        const aheadBytes = lab.wanted.reduce((sum, one) => sum + one.end - one.start, 0)
        assert.ok(aheadBytes <= readBytes)
        assert.ok(lab.wanted.length <= 8)
        for (const one of lab.wanted) assert.ok(one.end - one.start <= defaultSettings.readAheadBytes)
      }
      lab.readAhead.close()
      assert.deepEqual(lab.wanted, [])
      assert.equal(lab.clock.pendingCount, 0)
    }),
  )
})

test('a reader here and there, and one who reads backwards, cause nothing', () => {
  const places = fc.shuffledSubarray(Array.from({ length: 100 }, (_, index) => index))
  const pieceBytes = fc.integer({ min: 1, max: MIB })
  fc.assert(
    fc.property(places, pieceBytes, (some, lengthBytes) => {
      const lab = readAheadLab(SIZE)
      for (const place of some) lab.read(place * 2 * FAR, place * 2 * FAR + lengthBytes)
      for (const place of some.toSorted((a, b) => b - a)) lab.read(place * 2 * FAR, place * 2 * FAR + lengthBytes)
      assert.equal(lab.wantedTimes, 0)
    }),
  )
})

test('from the fourth step on each chunk of one who reads on was wanted before he asks', () => {
  const stepBytes = fc.integer({ min: 1, max: 3 * MIB })
  const gapOf = fc.double({ min: 0, max: 1, noNaN: true })
  const start = fc.nat(16 * MIB)
  fc.assert(
    fc.property(start, stepBytes, gapOf, (from, step, share) => {
      const gap = Math.floor(share * Math.min(step, 64 * KIB))
      const lab = readAheadLab(SIZE)
      const { layout } = lab.blob
      let at = from
      for (let count = 1; count <= 40; count++, at += step + gap) {
        const chunks = chunksOf(layout, at, at + step)
        const ahead = lab.wanted.flatMap((one) => chunksOf(layout, one.start, one.end))
        if (count >= 4) for (const chunk of chunks) assert.ok(lab.held.has(chunk) || ahead.includes(chunk))
        for (const chunk of chunks) lab.held.add(chunk)
        lab.read(at, at + step)
      }
    }),
  )
})

function chunksOf(layout: { chunkAt(offset: number): number }, start: number, end: number): number[] {
  const first = layout.chunkAt(start)
  return Array.from({ length: layout.chunkAt(end - 1) - first + 1 }, (_, index) => first + index)
}
