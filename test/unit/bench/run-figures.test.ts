import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { percentile } from '../../../bench/report/index.ts'
import { figureAt, summarize } from '../../../bench/scenarios/run-figures.ts'

describe('summarize', () => {
  it('takes the median and the spread of each figure, in groups within groups', () => {
    const run = (value: number) => ({ seconds: value, peer: { p50Ms: value * 2, first: { chunk: 7 } } })
    const { medians, spread } = summarize([run(5), run(1), run(2)])
    assert.deepEqual(medians, { seconds: 2, peer: { p50Ms: 4, first: { chunk: 7 } } })
    assert.deepEqual(spread, {
      seconds: { min: 1, max: 5 },
      peer: { p50Ms: { min: 2, max: 10 }, first: { chunk: { min: 7, max: 7 } } },
    })
  })
})

describe('figureAt', () => {
  it('follows the path of a figure', () => {
    assert.equal(figureAt({ peer: { p50Ms: 4 } }, 'peer.p50Ms'), 4)
  })

  it('gives NaN where there is no figure', () => {
    for (const path of ['local', 'peer', 'peer.p50Ms.more', 'local.p50Ms'])
      assert.equal(figureAt({ peer: { p50Ms: 4 } }, path), Number.NaN, path)
  })
})

describe('percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)

  it('is the value that the share of all values does not exceed', () => {
    assert.equal(percentile(hundred, 0.5), 50)
    assert.equal(percentile(hundred, 0.99), 99)
    assert.equal(percentile(hundred, 1), 100)
    assert.equal(percentile(hundred, 0), 1)
  })

  it('is one of the values, however few there are', () => {
    assert.equal(percentile([3, 1], 0.5), 1)
    assert.equal(percentile([3], 0.99), 3)
    assert.equal(percentile([], 0.5), Number.NaN)
  })

  it('leaves the values as they were', () => {
    const values = [3, 1, 2]
    percentile(values, 0.5)
    assert.deepEqual(values, [3, 1, 2])
  })
})
