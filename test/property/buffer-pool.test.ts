import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BufferPool, type Lease } from '../../src/util/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** A lease and the byte that its buffer was filled with. */
interface Held {
  readonly lease: Lease
  readonly byte: number
}

const step = fc.oneof(
  fc.record({ kind: fc.constant('lease' as const), lengthBytes: fc.integer({ min: 0, max: 40 }) }),
  fc.record({ kind: fc.constantFrom('share', 'release', 'release-twice', 'lose'), pick: fc.nat() }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 12_000 }) }),
)

test('whoever holds a lease sees what its buffer was filled with, whatever others hold and give back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const clock = new VirtualClock()
      const pool = new BufferPool({ maxIdleBytes: 100, minPooledBytes: 4, isPoisoning: true }, { clock })
      const held: Held[] = []
      let nextByte = 0
      for (const one of steps) {
        if (one.kind === 'wait') await clock.advance(one.ms)
        else if (one.kind === 'lease') {
          const byte = nextByte++ % 0xdb
          const lease = pool.lease(one.lengthBytes)
          assert.equal(lease.bytes.byteLength, one.lengthBytes)
          lease.bytes.fill(byte)
          held.push({ lease, byte })
        } else actOn(held, one.kind, one.pick)
        for (const { lease, byte } of held) assert.ok(lease.bytes.every((seen) => seen === byte))
        assert.ok(pool.idleBytes <= 100)
      }
    }),
    { numRuns: 200 },
  )
})

function actOn(held: Held[], kind: 'share' | 'release' | 'release-twice' | 'lose', pick: number): void {
  const at = pick % Math.max(1, held.length)
  const one = held[at]
  if (one === undefined) return
  if (kind === 'share') return void held.push({ lease: one.lease.share(), byte: one.byte })
  held.splice(at, 1)
  if (kind === 'lose') return
  one.lease.release()
  if (kind === 'release-twice') one.lease.release()
}
