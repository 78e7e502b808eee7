import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Foresight } from '../../../src/traces/foresight.ts'

function judged(foretold: readonly number[], read: readonly number[]): boolean[] {
  const foresight = new Foresight(foretold)
  return read.map((chunk) => foresight.isRightAfter(chunk))
}

describe('the judgement of a trace', () => {
  it('is put off until five chunks were read', () => {
    assert.deepEqual(judged([], [1, 2, 3, 4, 5]), [true, true, true, true, false])
  })

  it('is good while half of what was read had been foretold', () => {
    assert.deepEqual(judged([1, 2, 3], [1, 2, 3, 7, 8, 9]), Array(6).fill(true))
    assert.equal(judged([1, 2, 3], [1, 2, 3, 7, 8, 9, 10]).at(-1), false)
  })

  it('counts a chunk once, however often it is read', () => {
    assert.equal(judged([1], [1, 1, 1, 1, 7, 8, 9, 10]).at(-1), false)
    assert.equal(judged([1, 2, 3], [7, 7, 7, 7, 7, 7, 1, 2, 3]).at(-1), true)
  })
})
