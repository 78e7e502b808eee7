import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FreshChunks } from '../../../src/scheduler/fresh-chunks.ts'
import { InFlightBudget } from '../../../src/scheduler/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

/** Room for three chunks of 10 bytes, and the names of those that were dropped. */
function lab(budget = new InFlightBudget(120)) {
  const clock = new VirtualClock()
  const fresh = new FreshChunks({ inFlightBytes: 120 }, { budget, clock })
  const dropped: string[] = []
  const chunk = (name: string, sizeBytes = 10) => ({ sizeBytes, drop: () => void dropped.push(name) })
  return { clock, budget, fresh, dropped, chunk }
}

describe('fresh chunks', () => {
  it('keep a quarter of what may be in flight, and the oldest leave first', () => {
    const { budget, fresh, dropped, chunk } = lab()
    for (const name of ['a', 'b', 'c', 'd']) fresh.keep(chunk(name))
    assert.deepEqual(dropped, ['a'])
    assert.deepEqual([fresh.keptBytes, budget.freeBytes], [30, 90])
  })

  it('do not keep what there is no room for', () => {
    const { budget, fresh, dropped, chunk } = lab()
    fresh.keep(chunk('huge', 31))
    budget.take(115)
    fresh.keep(chunk('late'))
    assert.deepEqual(dropped, ['huge', 'late'])
    assert.deepEqual([fresh.keptBytes, budget.freeBytes], [0, 5])
  })

  it('leave after a second, each in its time', async () => {
    const { clock, budget, fresh, dropped, chunk } = lab()
    fresh.keep(chunk('a'))
    await clock.advance(600)
    fresh.keep(chunk('b'))
    await clock.advance(400)
    assert.deepEqual(dropped, ['a'])
    await clock.advance(600)
    assert.deepEqual(dropped, ['a', 'b'])
    assert.deepEqual([budget.freeBytes, clock.pendingCount], [120, 0])
  })

  it('are forgotten without being dropped, once', () => {
    const { clock, budget, fresh, dropped, chunk } = lab()
    const one = chunk('a')
    fresh.keep(one)
    fresh.forget(one)
    fresh.forget(one)
    assert.deepEqual(dropped, [])
    assert.deepEqual([budget.freeBytes, clock.pendingCount], [120, 0])
  })
})
