import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OriginRest } from '../../../src/scheduler/origin-rest.ts'

test('an origin that fails rests twice as long each time, half a minute at most, until it delivers', () => {
  const rest = new OriginRest()
  assert.ok(rest.isOver(0))
  for (const restMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    rest.failed(new Error('down'), 500)
    assert.equal(rest.isOver(500 + restMs - 1), false)
    assert.equal(rest.isOver(500 + restMs), true)
  }
  rest.delivered()
  rest.failed(new Error('down again'), 0)
  assert.ok(rest.isOver(1_000))
  assert.ok(rest.error instanceof Error)
})
