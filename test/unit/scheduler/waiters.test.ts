import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Waiters } from '../../../src/scheduler/waiters.ts'

describe('waiters', () => {
  it('are woken for their chunk and no other', async () => {
    const waiters = new Waiters()
    const [first, second] = [waiters.wait(1, {}), waiters.wait(2, {})]
    waiters.held(1)
    await first
    assert.deepEqual([...waiters.chunks], [2])
    waiters.held(2)
    await second
    assert.ok(waiters.isEmpty)
  })

  it('leave nothing behind when their signal fires', async () => {
    const waiters = new Waiters()
    const controller = new AbortController()
    const waiting = waiters.wait(1, { signal: controller.signal })
    const other = waiters.wait(1, {})
    controller.abort(new DOMException('enough', 'AbortError'))
    await assert.rejects(waiting, { name: 'AbortError' })
    assert.ok(!waiters.isEmpty)
    waiters.held(1)
    await other
    assert.ok(waiters.isEmpty)
  })

  it('refuse at once with a signal that has fired', async () => {
    const waiters = new Waiters()
    await assert.rejects(waiters.wait(1, { signal: AbortSignal.abort() }), { name: 'AbortError' })
    assert.ok(waiters.isEmpty)
  })

  it('all hear of a failure, and those who come later do not', async () => {
    const waiters = new Waiters()
    const waiting = [waiters.wait(1, {}), waiters.wait(2, {})]
    waiters.failAll(new Error('no source'))
    for (const result of await Promise.allSettled(waiting)) assert.equal(result.status, 'rejected')
    const later = waiters.wait(1, {})
    waiters.held(1)
    await later
  })
})
