import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from '../../../src/tracker/turns.ts'

test('whoever had no turn comes first, then the one whose last turn is longest ago', () => {
  const turns = new Turns()
  turns.took('a')
  turns.took('b')
  turns.took('a')
  const order = ['a', 'b', 'c'].sort((x, y) => turns.of(x) - turns.of(y))
  assert.deepEqual(order, ['c', 'b', 'a'])
})
