import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BufferPool, type BufferPoolInit, freshBuffers, type Lease, unpooled } from '../../../src/util/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const KiB = 1024

function poolOf(init: Partial<BufferPoolInit> = {}) {
  const clock = new VirtualClock()
  return { clock, pool: new BufferPool({ maxIdleBytes: 1024 * KiB, isPoisoning: true, ...init }, { clock }) }
}

function filled(lease: Lease, byte: number): Lease {
  lease.bytes.fill(byte)
  return lease
}

describe('a buffer pool', () => {
  it('gives the same memory out again once it came back, whatever length is asked of its capacity', () => {
    const { pool } = poolOf()
    const first = pool.lease(128 * KiB)
    const { buffer } = first.bytes
    first.release()
    const second = pool.lease(100 * KiB)
    assert.equal(second.bytes.buffer, buffer)
    assert.equal(second.bytes.byteLength, 100 * KiB)
    assert.notEqual(pool.lease(100 * KiB).bytes.buffer, buffer)
  })

  it('takes a buffer back once, however often it is released', () => {
    const { pool } = poolOf()
    const lease = pool.lease(64 * KiB)
    lease.release()
    lease.release()
    assert.equal(pool.idleBytes, 64 * KiB)
    assert.notEqual(pool.lease(64 * KiB).bytes.buffer, pool.lease(64 * KiB).bytes.buffer)
  })

  it('lets nobody look at what was given back', () => {
    const { pool } = poolOf()
    const lease = filled(pool.lease(64 * KiB), 7)
    const kept = lease.bytes
    lease.release()
    assert.throws(() => lease.bytes, /given back/)
    assert.throws(() => lease.share(), /given back/)
    assert.ok(kept.every((byte) => byte === 0xdb))
  })

  it('keeps a shared buffer until the last share came back', () => {
    const { pool } = poolOf()
    const lease = filled(pool.lease(64 * KiB), 7)
    const part = lease.share(10, 20)
    const whole = lease.share()
    lease.release()
    part.release()
    assert.equal(pool.idleBytes, 0)
    assert.ok(whole.bytes.every((byte) => byte === 7))
    whole.release()
    assert.equal(pool.idleBytes, 64 * KiB)
  })

  it('keeps no more than it may, and nothing small', () => {
    const { pool } = poolOf({ maxIdleBytes: 128 * KiB })
    const leases = [64, 64, 64, 1].map((size) => pool.lease(size * KiB))
    for (const lease of leases) lease.release()
    assert.equal(pool.idleBytes, 128 * KiB)
  })

  it('frees what was of no use for a while, keeps what was, and leaves no timer behind', async () => {
    const { pool, clock } = poolOf()
    const leases = [pool.lease(64 * KiB), pool.lease(64 * KiB), pool.lease(64 * KiB)]
    for (const lease of leases) lease.release()
    await clock.advance(5_000)
    assert.equal(pool.idleBytes, 192 * KiB)
    pool.lease(64 * KiB).release()
    await clock.advance(5_000)
    assert.equal(pool.idleBytes, 64 * KiB)
    await clock.advance(5_000)
    assert.deepEqual([pool.idleBytes, clock.pendingCount], [0, 0])
  })

  it('frees everything at once when it is told to', () => {
    const { pool, clock } = poolOf()
    const lease = pool.lease(64 * KiB)
    const { buffer } = lease.bytes
    lease.release()
    pool.clear()
    assert.deepEqual([pool.idleBytes, clock.pendingCount, buffer.byteLength], [0, 0, 0])
  })
})

describe('bytes of no pool', () => {
  it('are lent as they are and never used again', () => {
    const bytes = Uint8Array.of(1, 2, 3)
    const lease = unpooled(bytes)
    assert.equal(lease.bytes, bytes)
    assert.equal(lease.share().bytes, bytes)
    lease.release()
    assert.deepEqual([...bytes], [1, 2, 3])
    assert.notEqual(freshBuffers.lease(10).bytes.buffer, freshBuffers.lease(10).bytes.buffer)
  })
})
