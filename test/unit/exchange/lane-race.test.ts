import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ByteChannel, PeerClosedError } from '../../../src/exchange/index.ts'
import { LaneRace } from '../../../src/exchange/lane-race.ts'
import { turns, watch } from '../../support/exchange-bench.ts'
import { memoryChannelPair } from '../../support/memory-carrier.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const PATIENCE_MS = 300

/** A race whose two ways end as the test says. */
function lab() {
  const clock = new VirtualClock()
  const [fastEnd] = memoryChannelPair(['us', 'fast'])
  const [slowEnd, slowFar] = memoryChannelPair(['us', 'slow'])
  const fast = Promise.withResolvers<ByteChannel | undefined>()
  const slow = Promise.withResolvers<ByteChannel>()
  const begun: string[] = []
  const race = new LaneRace({
    clock,
    patienceMs: PATIENCE_MS,
    openFast: ({ signal }) => {
      begun.push('fast')
      signal?.addEventListener('abort', () => fast.reject(signal.reason))
      return fast.promise
    },
    openSlow: ({ signal }) => {
      begun.push('slow')
      signal?.addEventListener('abort', () => slow.reject(signal.reason))
      return slow.promise
    },
  })
  return { clock, race, fast, slow, fastEnd, slowEnd, slowFar, begun }
}

test('a fast way that opens in time is all there is', async () => {
  const { race, clock, fast, fastEnd, begun } = lab()
  const opening = watch(race.run({}))
  await clock.advance(PATIENCE_MS - 1)
  fast.resolve(fastEnd)
  await turns()
  assert.deepEqual(opening.value, { channel: fastEnd, isFast: true, faster: undefined })
  assert.deepEqual([begun, clock.pendingCount], [['fast'], 0])
})

test('a fast way that is closed is replaced at once, and nothing comes later', async () => {
  const { race, clock, fast, slow, slowEnd } = lab()
  const opening = watch(race.run({}))
  fast.resolve(undefined)
  slow.resolve(slowEnd)
  await turns()
  assert.deepEqual([opening.value?.channel, opening.value?.isFast], [slowEnd, false])
  assert.equal(await opening.value?.faster, undefined)
  assert.equal(clock.pendingCount, 0)
})

test('after its patience the slow way serves, and the fast channel is handed out when it comes', async () => {
  const { race, clock, fast, slow, fastEnd, slowEnd, slowFar, begun } = lab()
  const opening = watch(race.run({}))
  let hasEnded = false
  slowFar.open({ onBytes() {}, onEnd: () => (hasEnded = true) })
  slow.resolve(slowEnd)
  await clock.advance(PATIENCE_MS - 1)
  assert.deepEqual([opening.isSettled, begun], [false, ['fast']])
  await clock.advance(1)
  await turns()
  assert.deepEqual([opening.value?.channel, opening.value?.isFast], [slowEnd, false])
  fast.resolve(fastEnd)
  assert.equal(await opening.value?.faster, fastEnd)
  await turns()
  assert.equal(hasEnded, false, 'the slow channel is in use')
})

test('a fast channel that comes while the slow one is being opened wins, and the slow one is closed', async () => {
  const { race, clock, fast, slow, fastEnd, slowEnd, slowFar } = lab()
  const opening = watch(race.run({}))
  let hasEnded = false
  slowFar.open({ onBytes() {}, onEnd: () => (hasEnded = true) })
  await clock.advance(PATIENCE_MS)
  fast.resolve(fastEnd)
  await turns()
  assert.deepEqual([opening.value?.channel, opening.value?.isFast], [fastEnd, true])
  slow.resolve(slowEnd)
  assert.equal(await opening.value?.faster, undefined)
  await turns()
  assert.equal(hasEnded, true)
})

test('a slow way that fails leaves the fast one its time', async () => {
  const { race, clock, fast, slow, fastEnd } = lab()
  const opening = watch(race.run({}))
  await clock.advance(PATIENCE_MS)
  slow.reject(new PeerClosedError('no streams'))
  await turns()
  assert.equal(opening.isSettled, false)
  fast.resolve(fastEnd)
  await turns()
  assert.equal(opening.value?.channel, fastEnd)
  assert.equal(await opening.value?.faster, undefined)
})

test('when both ways fail it is the error of the slow one', async () => {
  const { race, fast, slow } = lab()
  fast.resolve(undefined)
  slow.reject(new PeerClosedError('no streams'))
  await assert.rejects(race.run({}), /no streams/)
})

test('an abort ends the race at any point, and what was still to come', async () => {
  for (const afterMs of [0, PATIENCE_MS]) {
    const { race, clock } = lab()
    const controller = new AbortController()
    const opening = watch(race.run({ signal: controller.signal }))
    await clock.advance(afterMs)
    controller.abort()
    await turns()
    assert.equal((opening.error as Error).name, 'AbortError')
    assert.equal(clock.pendingCount, 0)
  }
  const { race, clock, slow, slowEnd } = lab()
  const controller = new AbortController()
  slow.resolve(slowEnd)
  const opening = watch(race.run({ signal: controller.signal }))
  await clock.advance(PATIENCE_MS)
  await turns()
  controller.abort()
  assert.equal(await opening.value?.faster, undefined)
})
