import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RarityOrder } from '../../src/scheduler/rarity-order.ts'

const CHUNKS = 12

const change = fc.record({ chunk: fc.integer({ min: 0, max: CHUNKS + 1 }), isMore: fc.boolean() })

function groupOf(order: RarityOrder, copies: number, chance: number): number[] {
  const chunks: number[] = []
  const visit = (chunk: number) => {
    chunks.push(chunk)
    return false
  }
  order.visitGroup(copies, () => chance, visit)
  return chunks
}

test('the order of rarity is what sorting by the number of copies would give', () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 200 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (changes, chance) => {
        const order = new RarityOrder(CHUNKS)
        const copies = Array.from({ length: CHUNKS }, () => 0)
        for (const { chunk, isMore } of changes) {
          if (isMore) order.add(chunk)
          else order.remove(chunk)
          if (chunk < CHUNKS) copies[chunk] = Math.max(0, (copies[chunk] ?? 0) + (isMore ? 1 : -1))
        }
        assert.deepEqual(
          copies.map((_, chunk) => order.copiesOf(chunk)),
          copies,
        )
        assert.ok(order.mostCopies >= Math.max(...copies))
        for (let count = 0; count <= order.mostCopies; count++) {
          const expected = copies.flatMap((held, chunk) => (held === count ? [chunk] : []))
          assert.deepEqual(
            groupOf(order, count, chance).toSorted((a, b) => a - b),
            expected,
          )
        }
      },
    ),
  )
})

test('every chunk of a group comes first for some chance', () => {
  const order = new RarityOrder(4)
  order.add(2)
  const firsts = [0, 0.4, 0.9].map((chance) => groupOf(order, 0, chance)[0] ?? -1)
  assert.deepEqual(
    firsts.toSorted((a, b) => a - b),
    [0, 1, 3],
  )
})
