import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { chooseRanges, chunksOf, rangesPerLayer } from '../../bench/scenarios/lazy/range-choice.ts'
import { gridLayout } from '../../src/chunking/index.ts'

const MIB = 1024 * 1024

/** A stream of numbers from 0 to below 1 that a seed decides (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const layers = fc.record({ layerBytes: fc.integer({ min: MIB, max: 300 * MIB }), seed: fc.integer() })

describe('chooseRanges', () => {
  it('chooses ranges within the layer, of the right size, with no chunk in common', () => {
    fc.assert(
      fc.property(layers, fc.integer({ min: 1, max: 400 }), ({ layerBytes, seed }, count) => {
        const layout = gridLayout(layerBytes)
        const choice = { layerBytes, minBytes: 50_000, maxBytes: 100_000, random: seeded(seed) }
        const taken = [
          { start: 0, end: 2 },
          { start: layerBytes - 40_000, end: layerBytes },
        ]
        const ranges = chooseRanges(choice, count, taken)
        assert.ok(ranges.length <= count)
        for (const { start, end } of ranges) {
          assert.ok(start >= 0 && end <= layerBytes)
          assert.ok(end - start >= 50_000 && end - start <= 100_000)
        }
        const chunks = ranges.flatMap((range) => chunksOf(range, layout))
        assert.equal(new Set(chunks).size, chunks.length)
        assert.ok(taken.every((range) => chunksOf(range, layout).every((chunk) => !chunks.includes(chunk))))
      }),
      { numRuns: 50 },
    )
  })

  it('finds as many as a layer is said to be good for', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const layerBytes = 200_000_000
        const choice = { layerBytes, minBytes: 50_000, maxBytes: 100_000, random: seeded(seed) }
        const ends = [
          { start: 0, end: 2 },
          { start: layerBytes - 46_270, end: layerBytes },
        ]
        assert.equal(chooseRanges(choice, rangesPerLayer(layerBytes), ends).length, rangesPerLayer(layerBytes))
      }),
      { numRuns: 50 },
    )
  })
})
