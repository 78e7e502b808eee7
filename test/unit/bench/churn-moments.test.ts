import assert from 'node:assert/strict'
import { test } from 'node:test'
import { momentsOf } from '../../../bench/scenarios/churn/churn-moments.ts'

test('kills and joins come evenly over a roll-out, in order, neither at its beginning nor at its end', () => {
  assert.deepEqual(momentsOf(1, 3), [
    { kind: 'join', share: 0.25 },
    { kind: 'kill', share: 0.5 },
    { kind: 'join', share: 0.5 },
    { kind: 'join', share: 0.75 },
  ])
  assert.deepEqual(momentsOf(0, 0), [])
})
