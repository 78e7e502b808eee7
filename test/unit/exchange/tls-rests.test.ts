import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TlsRests } from '../../../src/exchange/tls-rests.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

function rests() {
  const clock = new VirtualClock()
  return { clock, rests: new TlsRests({ firstRestMs: 10_000, maxRestMs: 35_000 }, clock) }
}

test('a port that failed is left alone for a time that doubles up to its limit', async () => {
  const { clock, rests: known } = rests()
  for (const restMs of [10_000, 20_000, 35_000, 35_000]) {
    known.failed('peer', 5002)
    await clock.advance(restMs - 1)
    assert.equal(known.isResting('peer', 5002), true)
    await clock.advance(1)
    assert.equal(known.isResting('peer', 5002), false)
  }
})

test('lanes that fail together are one failure', async () => {
  const { clock, rests: known } = rests()
  for (let lane = 0; lane < 4; lane += 1) known.failed('peer', 5002)
  await clock.advance(10_000)
  assert.equal(known.isResting('peer', 5002), false)
})

test('success, another port and another peer start afresh', async () => {
  const { clock, rests: known } = rests()
  known.failed('peer', 5002)
  assert.equal(known.isResting('peer', 5003), false)
  assert.equal(known.isResting('other', 5002), false)
  await clock.advance(10_000)
  known.reached('peer')
  known.failed('peer', 5002)
  await clock.advance(10_000)
  assert.equal(known.isResting('peer', 5002), false)
})
