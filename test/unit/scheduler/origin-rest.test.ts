import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../../../src/core/index.ts'
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

test('an origin that refused somebody’s credentials is asked at once with other ones; one that is down rests on', () => {
  const rest = new OriginRest()
  rest.failed(new ShoalError('other credentials', { code: 'UNAUTHORIZED', blame: 'caller', retryable: false }), 0)
  rest.renewed()
  assert.ok(rest.isOver(0) && rest.error === undefined)
  rest.failed(new ShoalError('down', { code: 'DOWN', blame: 'origin', retryable: true }), 0)
  rest.renewed()
  assert.equal(rest.isOver(999), false)
})
