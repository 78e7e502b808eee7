import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InFlightBudget } from '../../../src/scheduler/index.ts'

test('the in-flight budget has never less than nothing free, and all of it once everything was given back', () => {
  const budget = new InFlightBudget(100)
  budget.take(60)
  assert.equal(budget.freeBytes, 40)
  budget.take(60)
  assert.equal(budget.freeBytes, 0)
  budget.give(60)
  budget.give(60)
  assert.equal(budget.freeBytes, 100)
})
