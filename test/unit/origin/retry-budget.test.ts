import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { OriginBrokenError, OriginThrottledError, OriginUnavailableError } from '../../../src/origin/index.ts'
import { RetryBudget, withRetries } from '../../../src/origin/retry-budget.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const SETTINGS = { attempts: 3, firstDelayMs: 100, maxDelayMs: 150, maxRetryAfterMs: 5_000 }

function setUp(random = () => 0.999) {
  const clock = new VirtualClock()
  const retries: number[] = []
  const budget = new RetryBudget(SETTINGS, { clock, random, onRetry: () => retries.push(clock.now()) })
  return { clock, budget, retries }
}

async function isWaiting(waiting: Promise<void>): Promise<boolean> {
  return (await Promise.race([waiting.then(() => 'over'), Promise.resolve('waiting')])) === 'waiting'
}

suite('the retry budget', () => {
  test('backs off with some chance, up to a limit, and then gives the error up', async () => {
    const { clock, budget, retries } = setUp(() => 0)
    const error = new OriginUnavailableError('down')
    const first = budget.next(error, {})
    await clock.advance(49)
    assert.ok(await isWaiting(first))
    await clock.advance(1)
    await first
    const second = budget.next(error, {})
    await clock.advance(75)
    await second
    await assert.rejects(budget.next(error, {}), error)
    assert.equal(retries.length, 2)
  })

  test('begins anew after progress', async () => {
    const { clock, budget } = setUp()
    for (let i = 0; i < 10; i++) {
      const waiting = budget.next(new OriginUnavailableError('cut'), {})
      await clock.advance(100)
      await waiting
      budget.progress()
    }
  })

  test('waits as long as it is asked to, but not longer than allowed', async () => {
    const { clock, budget } = setUp()
    const waiting = budget.next(new OriginThrottledError('slow down', 4_000), {})
    await clock.advance(3_999)
    assert.ok(await isWaiting(waiting))
    await clock.advance(1)
    await waiting
    await assert.rejects(
      budget.next(new OriginUnavailableError('later', { retryAfterMs: 5_001 }), {}),
      OriginUnavailableError,
    )
  })

  test('never repeats what repeating does not change, or what is not ours', async () => {
    const { budget } = setUp()
    await assert.rejects(budget.next(new OriginBrokenError('lies'), {}), OriginBrokenError)
    await assert.rejects(budget.next(new TypeError('bug'), {}), TypeError)
  })

  test('an abort ends the wait', async () => {
    const { clock, budget } = setUp()
    const controller = new AbortController()
    const waiting = budget.next(new OriginUnavailableError('down'), { signal: controller.signal })
    controller.abort(new Error('left'))
    await assert.rejects(waiting, /left/)
    assert.equal(clock.pendingCount, 0)
  })

  test('runs an attempt until it succeeds', async () => {
    const { clock, budget } = setUp()
    let count = 0
    const running = withRetries(
      budget,
      async () => (++count < 3 ? Promise.reject(new OriginUnavailableError('down')) : count),
      {},
    )
    await clock.advance(1_000)
    assert.equal(await running, 3)
  })
})
