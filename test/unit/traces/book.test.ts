import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Digest, digestOf, type StartTrace } from '../../../src/core/index.ts'
import { TraceBook } from '../../../src/traces/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const digest = digestOf(Buffer.from('layer'))
const HOUR = 3_600_000

function lab() {
  const clock = new VirtualClock()
  const notes = new Map<Digest, StartTrace & { readonly notedAtMs: number }>()
  const store = {
    putTrace: (of: Digest, trace: StartTrace) => void notes.set(of, { ...trace, notedAtMs: clock.wallTime() }),
    getTrace: (of: Digest) => notes.get(of),
  }
  return { clock, book: new TraceBook({ store, clock }) }
}

function traceOf(reads: number): StartTrace {
  return { sizeBytes: 1_000, offsets: Array.from({ length: reads }, (_, i) => i) }
}

describe('the book of traces', () => {
  it('knows nothing of a layer that nobody has started from', () => {
    assert.equal(lab().book.get(digest), undefined)
  })

  it('prefers the trace with more reads', () => {
    const { book } = lab()
    assert.deepEqual(
      [3, 2, 3, 4].map((reads) => book.offer(digest, traceOf(reads))),
      [true, false, false, true],
    )
    assert.deepEqual(book.get(digest), traceOf(4))
  })

  it('lets a shorter one take the place of one that is a day old', async () => {
    const { book, clock } = lab()
    book.offer(digest, traceOf(9))
    await clock.advance(23 * HOUR)
    assert.equal(book.offer(digest, traceOf(2)), false)
    await clock.advance(HOUR)
    assert.equal(book.offer(digest, traceOf(2)), true)
    assert.deepEqual(book.get(digest), traceOf(2))
  })
})
