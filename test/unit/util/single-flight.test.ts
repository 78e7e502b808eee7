import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withDeadline } from '../../../src/exchange/deadline.ts'
import { Offenders } from '../../../src/exchange/offenders.ts'
import { SingleFlight } from '../../../src/util/index.ts'
import { turns, watch } from '../../support/exchange-bench.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

test('callers share one piece of work, which ends when the last has left', async () => {
  const flights = new SingleFlight<number>()
  const signals: AbortSignal[] = []
  const work = (signal: AbortSignal) => {
    signals.push(signal)
    return new Promise<number>(() => undefined)
  }
  const controllers = [new AbortController(), new AbortController()]
  const calls = controllers.map(({ signal }) => watch(flights.run('key', { signal }, work)))
  controllers[0]?.abort()
  await turns(1)
  assert.deepEqual([calls[0]?.isSettled, calls[1]?.isSettled, signals[0]?.aborted], [true, false, false])
  controllers[1]?.abort()
  await turns(1)
  assert.deepEqual([signals.length, signals[0]?.aborted], [1, true])
  watch(flights.run('key', {}, work))
  assert.equal(signals.length, 2, 'a later caller does not join work that was given up')
})

test('a result or a failure is shared and then forgotten', async () => {
  const flights = new SingleFlight<number>()
  let runCount = 0
  const work = async () => {
    runCount += 1
    if (runCount === 2) throw new Error('second')
    return runCount
  }
  assert.deepEqual(await Promise.all([flights.run('key', {}, work), flights.run('key', {}, work)]), [1, 1])
  await assert.rejects(flights.run('key', {}, work), /second/)
  assert.equal(await flights.run('key', {}, work), 3)
})

test('a deadline ends work that takes no notice, and leaves neither timer nor listener', async () => {
  const clock = new VirtualClock()
  const late = new Error('late')
  const result = watch(
    withDeadline({ clock, timeoutMs: 10, makeError: () => late }, () => new Promise(() => undefined)),
  )
  await clock.advance(10)
  assert.equal(result.error, late)
  assert.equal(await withDeadline({ clock, timeoutMs: 10, makeError: () => late }, async () => 5), 5)
  assert.equal(clock.pendingCount, 0)
})

test('bans grow with each offence up to the longest', () => {
  const offenders = new Offenders({ firstBanMs: 10, maxBanMs: 60 })
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(() => offenders.strike('peer')),
    [10, 20, 40, 60, 60],
  )
  assert.equal(offenders.strike('another'), 10)
})
