import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HandshakeBounds } from '../../../src/exchange/tls-handshake-bounds.ts'

test('one host takes its share of the places, all together take all', () => {
  const bounds = new HandshakeBounds(3, 2)
  assert.ok(bounds.enter('a'))
  assert.ok(bounds.enter('a'))
  assert.equal(bounds.enter('a'), undefined)
  assert.ok(bounds.enter('b'))
  assert.equal(bounds.enter('c'), undefined)
})

test('a place is given back once, however often it is left', () => {
  const bounds = new HandshakeBounds(2, 1)
  const leave = bounds.enter('a')
  bounds.enter('b')
  leave?.()
  leave?.()
  assert.equal(bounds.total, 1)
  assert.ok(bounds.enter('a'))
  assert.equal(bounds.enter('b'), undefined)
})
