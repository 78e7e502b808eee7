import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { OriginThrottledError } from '../../../src/origin/index.ts'
import { RequestGate, type Urgency } from '../../../src/origin/request-gate.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'

function setUp(init: { maxConcurrency?: number; requestsPerSecond?: number } = {}) {
  const clock = new VirtualClock()
  const gate = new RequestGate(
    { maxConcurrency: init.maxConcurrency ?? 2, requestsPerSecond: init.requestsPerSecond, maxCooldownMs: 10_000 },
    { clock },
  )
  const entered: { name: string; atMs: number }[] = []
  const enter = async (name: string, urgency: Urgency = 'blob', signal?: AbortSignal) => {
    const leave = await gate.enter(urgency, { signal })
    entered.push({ name, atMs: clock.now() })
    return leave
  }
  return { clock, gate, entered, enter }
}

suite('the request gate', () => {
  test('lets in as many as allowed, and documents before blobs', async () => {
    const { entered, enter } = setUp({ maxConcurrency: 1 })
    const leave = await enter('first')
    const waiting = [enter('blob'), enter('document', 'document')]
    await settle()
    assert.equal(entered.length, 1)
    leave()
    const leaveSecond = await waiting[1]
    leaveSecond?.()
    ;(await waiting[0])?.()
    assert.deepEqual(
      entered.map(({ name }) => name),
      ['first', 'document', 'blob'],
    )
  })

  test('spreads requests over time, after a burst of a second’s worth', async () => {
    const { clock, entered, enter } = setUp({ maxConcurrency: 100, requestsPerSecond: 4 })
    const all = Array.from({ length: 8 }, async (_, i) => (await enter(`${i}`))())
    await clock.advance(10_000)
    await Promise.all(all)
    assert.deepEqual(
      entered.map(({ atMs }) => atMs),
      [0, 0, 0, 0, 250, 500, 750, 1_000],
    )
  })

  test('lets nothing in while the registry cools down', async () => {
    const { clock, gate, entered, enter } = setUp()
    gate.coolDown(3_000)
    gate.coolDown(1_000)
    const waiting = enter('a')
    await clock.advance(2_999)
    assert.equal(entered.length, 0)
    await clock.advance(1)
    ;(await waiting)()
  })

  test('turns requests away when the cool-down is too long to wait for', async () => {
    const { clock, gate, enter } = setUp()
    gate.coolDown(60_000)
    await assert.rejects(enter('b'), (error) => error instanceof OriginThrottledError && error.retryAfterMs === 60_000)
    await clock.advance(60_000)
    ;(await enter('c'))()
  })

  test('gives up waiting for a place after half a minute, and keeps working', async () => {
    const { clock, enter } = setUp({ maxConcurrency: 1 })
    const leave = await enter('slow')
    const refused = assert.rejects(enter('b'), OriginThrottledError)
    await clock.advance(30_000)
    await refused
    leave()
    ;(await enter('c'))()
    assert.equal(clock.pendingCount, 0)
  })

  test('an abort takes a waiting request out, with the reason of its signal', async () => {
    const { clock, gate, enter } = setUp({ maxConcurrency: 1 })
    const controller = new AbortController()
    const leave = await enter('a')
    const queued = assert.rejects(enter('b', 'blob', controller.signal), /left/)
    controller.abort(new Error('left'))
    await queued
    leave()
    gate.coolDown(5_000)
    const cooling = new AbortController()
    const waiting = assert.rejects(enter('c', 'blob', cooling.signal), /gone/)
    await settle()
    cooling.abort(new Error('gone'))
    await waiting
    await clock.advance(5_000)
    ;(await enter('d'))()
    assert.equal(clock.pendingCount, 0)
  })
})
