import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BandwidthBusyError, type BandwidthClass, BandwidthLimiter, UNLIMITED } from '../../../src/util/index.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'

const KB = 1000

function limiterOf(rates: Partial<typeof UNLIMITED>) {
  const clock = new VirtualClock()
  const waits: string[] = []
  const onWaited = (name: BandwidthClass, waitedMs: number) => void waits.push(`${name} ${waitedMs}`)
  const limiter = new BandwidthLimiter({ ...UNLIMITED, ...rates }, { clock, onWaited })
  const granted: string[] = []
  /** Takes, and notes `name` when the bytes may move. */
  const take = (name: string, bytes: number, bandwidthClass: BandwidthClass = 'pull', signal?: AbortSignal) => {
    const turn = limiter.take(bytes, bandwidthClass, { signal })
    if (turn === undefined) granted.push(name)
    else
      turn.then(
        () => granted.push(name),
        (error: Error) => granted.push(`${name}: ${error.name}`),
      )
  }
  return { clock, limiter, granted, take, waits }
}

describe('a bandwidth limiter', () => {
  it('without a limit lets everything through at once and keeps no account', () => {
    const { limiter, clock } = limiterOf({})
    for (let i = 0; i < 1000; i++) assert.equal(limiter.take(1e9, 'background'), undefined)
    assert.equal(limiter.waitMs('background'), 0)
    assert.equal(clock.pendingCount, 0)
  })

  it('lets a burst through, then as much as the rate allows, also takes larger than the burst', async () => {
    const { clock, granted, take, waits } = limiterOf({ total: 100 * KB })
    for (const name of ['a', 'b', 'c']) take(name, 50 * KB)
    // The burst is 20 KB: after `a` 30 KB are owed, after `b` 50 KB more.
    assert.deepEqual(granted, ['a'])
    await clock.advance(299)
    assert.deepEqual(granted, ['a'])
    await clock.advance(1)
    assert.deepEqual(granted, ['a', 'b'])
    await clock.advance(500)
    assert.deepEqual(granted, ['a', 'b', 'c'])
    assert.deepEqual(waits, ['pull 300', 'pull 800'])
  })

  it('lets the higher class go first, and who came first within a class', async () => {
    const { clock, granted, take } = limiterOf({ total: 100 * KB })
    take('first', 100 * KB, 'background')
    take('background 1', 10 * KB, 'background')
    take('pull 1', 10 * KB, 'pull')
    take('pull 2', 10 * KB, 'pull')
    take('lazy 1', 10 * KB, 'lazy')
    await clock.advance(10_000)
    assert.deepEqual(granted, ['first', 'lazy 1', 'pull 1', 'pull 2', 'background 1'])
  })

  it('lets no lower class go while a higher one waits, not even for little', async () => {
    const { clock, granted, take } = limiterOf({ total: 100 * KB })
    take('first', 120 * KB, 'pull')
    take('small', 1, 'background')
    for (let i = 0; i < 5; i++) {
      take(`pull ${i}`, 100 * KB, 'pull')
      await clock.advance(900)
    }
    assert.ok(!granted.includes('small'))
    await clock.advance(3_000)
    assert.equal(granted.at(-1), 'small')
  })

  it('holds a class to its own ceiling and lets others pass it meanwhile', async () => {
    const { clock, granted, take } = limiterOf({ total: 1000 * KB, lazy: 10 * KB })
    take('lazy 1', 10 * KB, 'lazy')
    take('lazy 2', 10 * KB, 'lazy')
    take('pull', 100 * KB, 'pull')
    assert.deepEqual(granted, ['lazy 1', 'pull'])
    await clock.advance(1_000)
    assert.deepEqual(granted, ['lazy 1', 'pull', 'lazy 2'])
  })

  it('looks at who waits again when a rate changes', async () => {
    const { clock, granted, limiter, take } = limiterOf({ total: 10 * KB })
    take('a', 100 * KB)
    take('b', 100 * KB)
    take('c', 100 * KB)
    limiter.setRates({ ...UNLIMITED, total: 1000 * KB })
    await clock.advance(98)
    assert.deepEqual(granted, ['a', 'b'])
    limiter.setRates(UNLIMITED)
    await settle()
    assert.deepEqual(granted, ['a', 'b', 'c'])
    assert.equal(clock.pendingCount, 0)
    limiter.setRates({ ...UNLIMITED, pull: 10 * KB })
    take('d', 100 * KB)
    take('e', 1)
    await clock.advance(9_000)
    assert.deepEqual(granted.slice(3), ['d'])
  })

  it('lets an aborted taker go without its bytes, and those behind it forward', async () => {
    const { clock, granted, limiter, take } = limiterOf({ total: 100 * KB })
    const controller = new AbortController()
    take('a', 100 * KB)
    take('b', 1000 * KB, 'lazy', controller.signal)
    take('c', 10 * KB)
    await clock.advance(500)
    controller.abort()
    await clock.advance(300)
    assert.deepEqual(granted, ['a', 'b: AbortError', 'c'])
    assert.equal(limiter.waitingCount, 0)
    await assert.rejects(async () => await limiter.take(1, 'pull', { signal: AbortSignal.abort() }), /abort/)
  })

  it('takes back what did not move', async () => {
    const { clock, granted, limiter, take } = limiterOf({ total: 100 * KB })
    take('a', 1000 * KB)
    take('b', 10 * KB)
    limiter.refund(1000 * KB, 'pull')
    await settle()
    assert.deepEqual(granted, ['a', 'b'])
    assert.equal(clock.pendingCount, 0)
  })

  it('says how long whoever takes now would wait', () => {
    const { limiter, take } = limiterOf({ total: 100 * KB, background: 1 * KB })
    assert.equal(limiter.waitMs('pull'), 0)
    take('a', 120 * KB)
    assert.equal(limiter.waitMs('pull'), 1_000)
    take('b', 50 * KB)
    assert.deepEqual([limiter.waitMs('lazy'), limiter.waitMs('pull')], [1_000, 1_500])
    assert.equal(limiter.tryTake(1, 'lazy'), false)
  })

  it('refuses takers beyond a bound', async () => {
    const { limiter } = limiterOf({ total: 1 * KB })
    assert.ok(limiter.tryTake(1000 * KB, 'pull'))
    const stop = new AbortController()
    const waiting = Array.from({ length: 4096 }, async () => await limiter.take(1, 'pull', { signal: stop.signal }))
    await assert.rejects(async () => await limiter.take(1, 'lazy'), BandwidthBusyError)
    stop.abort()
    await Promise.allSettled(waiting)
    assert.equal(limiter.waitingCount, 0)
  })
})
