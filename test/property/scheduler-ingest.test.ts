import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Lease } from '../../src/util/index.ts'
import { CHUNK_BYTES, ingestLab } from '../support/ingest-lab.ts'

/** More than may be kept, so that chunks leave for want of room as well. */
const CHUNKS = 8

/** What the pool overwrites with what comes back. */
const POISON = 0xdb

const chunkNumbers = fc.nat(CHUNKS - 1)

const steps = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), chunk: chunkNumbers }),
  fc.record({
    kind: fc.constant('lend' as const),
    chunk: chunkNumbers,
    from: fc.nat(60),
    length: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({ kind: fc.constant('lend-whole' as const), chunk: chunkNumbers }),
  fc.record({ kind: fc.constant('lose' as const), chunk: chunkNumbers }),
  fc.record({ kind: fc.constant('return' as const) }),
  fc.record({ kind: fc.constant('reach' as const) }),
  fc.record({ kind: fc.constant('forget' as const) }),
  fc.record({ kind: fc.constant('break' as const) }),
  fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 1_500 }) }),
)

type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never

/** What a chunk is filled with. */
const byteOf = (chunk: number) => chunk + 1

async function runSteps(list: readonly Step[]): Promise<void> {
  const { clock, blob, budget, ingest, buffers, write } = ingestLab(CHUNKS)
  const lent: { readonly lease: Lease; readonly chunk: number }[] = []
  const writes: Promise<boolean>[] = []
  const isRight = () =>
    lent.every(({ lease, chunk }) => lease.bytes.byteLength > 0 && lease.bytes.every((byte) => byte === byteOf(chunk)))
  for (const step of list) {
    if (step.kind === 'write') writes.push(write(step.chunk, byteOf(step.chunk)))
    else if (step.kind === 'reach') await blob.reach()
    else if (step.kind === 'lose') blob.lose(step.chunk)
    else if (step.kind === 'forget') ingest.forgetFresh()
    else if (step.kind === 'break') blob.isBroken = true
    else if (step.kind === 'advance') await clock.advance(step.ms)
    else if (step.kind === 'return') lent.shift()?.lease.release()
    else {
      const [from, length] = step.kind === 'lend' ? [step.from, step.length] : [0, CHUNK_BYTES]
      const lease = await ingest.lend(step.chunk * CHUNK_BYTES + from, length, {}).catch(() => undefined)
      if (lease !== undefined) lent.push({ lease, chunk: step.chunk })
    }
    assert.ok(isRight(), `wrong bytes after ${step.kind}`)
  }
  while (blob.isWriting) await blob.reach()
  await Promise.all(writes)
  ingest.forgetFresh()
  assert.ok(isRight(), 'wrong bytes at the end')
  for (const { lease } of lent) lease.release()
  assert.equal(budget.freeBytes, 1_024)
  const isBack = (buffer: Uint8Array) => buffer.every((byte) => byte === POISON)
  assert.ok(buffers.every(isBack), 'a buffer did not come back')
}

test('what is lent is right until it is given back, and every buffer comes back', async () => {
  await fc.assert(fc.asyncProperty(fc.array(steps, { maxLength: 60 }), runSteps), { numRuns: 150 })
})
