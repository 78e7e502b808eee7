import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Backoff } from '../../../src/discovery/backoff.ts'

describe('backoff', () => {
  it('doubles from its shortest to its longest wait and begins anew when reset', () => {
    const backoff = new Backoff({ minMs: 100, maxMs: 1_000 }, () => 0)
    const waits = Array.from({ length: 6 }, () => backoff.next())
    assert.deepEqual(waits, [100, 200, 400, 800, 1_000, 1_000])
    backoff.reset()
    assert.equal(backoff.next(), 100)
  })

  it('takes off up to half at random', () => {
    assert.equal(new Backoff({ minMs: 100, maxMs: 1_000 }, () => 0.5).next(), 75)
    assert.ok(new Backoff({ minMs: 100, maxMs: 1_000 }, () => 0.999).next() > 50)
  })

  it('stays at its longest wait however long it goes on', () => {
    const backoff = new Backoff({ minMs: 1, maxMs: 1_000 }, () => 0)
    for (let attempt = 0; attempt < 5_000; attempt++) backoff.next()
    assert.equal(backoff.next(), 1_000)
  })
})
