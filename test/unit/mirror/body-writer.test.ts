import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, test } from 'node:test'
import { type BodyOutcome, type BodySink, writeBody } from '../../../src/mirror/body-writer.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'
import { BufferPool, type Lease, unpooled } from '../../../src/util/index.ts'

/** A socket that takes bytes only when told to. */
class Sink extends EventEmitter {
  closed = false
  isTaking = true
  readonly written: number[] = []
  /** Tells that the kernel has the oldest write, or that it failed. */
  readonly handedOver: ((error?: Error | null) => void)[] = []

  write(bytes: Uint8Array, onWritten: (error?: Error | null) => void): boolean {
    this.written.push(...bytes)
    this.handedOver.push(onWritten)
    return this.isTaking
  }
}

function writing(chunks: AsyncIterator<Lease, void>, lengthBytes: number) {
  const sink = new Sink()
  const clock = new VirtualClock()
  const controller = new AbortController()
  const state: { outcome?: BodyOutcome } = {}
  const begin = (): Promise<BodyOutcome> =>
    writeBody(
      sink as unknown as BodySink,
      chunks,
      lengthBytes,
      { sourceStallMs: 1000, clientStallMs: 5000 },
      { clock, signal: controller.signal },
    )
  const written = (): Promise<BodyOutcome> => begin().then((outcome) => (state.outcome = outcome))
  return { sink, clock, controller, state, written }
}

async function* chunksOf(...sizes: number[]): AsyncGenerator<Lease, void> {
  for (const [index, size] of sizes.entries()) yield unpooled(new Uint8Array(size).fill(index))
}

async function* inOrder(pieces: readonly Lease[]): AsyncGenerator<Lease, void> {
  yield* pieces
}

async function* silent(): AsyncGenerator<Lease, void> {
  yield await new Promise<never>(() => {})
}

describe('writing a body', () => {
  test('asks for no more than the client takes', async () => {
    let asked = 0
    const chunks = { next: async () => ({ done: false as const, value: unpooled(new Uint8Array(1).fill(asked++)) }) }
    const { sink, state, written } = writing(chunks, 3)
    sink.isTaking = false
    const done = written()
    await settle()
    assert.equal(asked, 1)
    sink.emit('drain')
    await settle()
    assert.deepEqual([asked, state.outcome], [2, undefined])
    sink.isTaking = true
    sink.emit('drain')
    assert.deepEqual(await done, { end: 'complete' })
    assert.deepEqual(sink.written, [0, 1, 2])
  })

  test('leaves no listener and no timer behind', async () => {
    const { sink, clock, written } = writing(chunksOf(2, 2), 4)
    await written()
    assert.deepEqual([sink.eventNames(), clock.pendingCount], [[], 0])
  })

  test('fails when the source ends early, and writes nothing of what is too much', async () => {
    const short = writing(chunksOf(2), 4)
    assert.equal((await short.written()).end, 'source-failed')
    const long = writing(chunksOf(2, 5), 4)
    assert.equal((await long.written()).end, 'source-failed')
    assert.deepEqual(long.sink.written, [0, 0])
  })

  test('fails when the source is silent for too long', async () => {
    const { clock, state, written } = writing(silent(), 4)
    const done = written()
    await clock.advance(999)
    assert.equal(state.outcome, undefined)
    await clock.advance(1)
    assert.equal((await done).end, 'source-failed')
  })

  test('gives each piece back when the kernel has it, and not when the write failed', async () => {
    const pool = new BufferPool({ maxIdleBytes: 1 << 20 }, { clock: new VirtualClock() })
    const pieces = [pool.lease(1 << 16), pool.lease(1 << 16)]
    const { sink, written } = writing(inOrder(pieces), 1 << 17)
    await written()
    assert.equal(pool.idleBytes, 0)
    sink.handedOver[0]?.(null)
    assert.equal(pool.idleBytes, 1 << 16)
    sink.handedOver[1]?.(new Error('socket closed'))
    assert.equal(pool.idleBytes, 1 << 16)
  })

  test('ends as the client leaves, stalls, or the mirror stops', async () => {
    const left = writing(silent(), 4)
    const leaving = left.written()
    left.sink.closed = true
    left.sink.emit('close')
    assert.deepEqual(await leaving, { end: 'client-gone' })

    const stalled = writing(chunksOf(2, 2), 4)
    stalled.sink.isTaking = false
    const stalling = stalled.written()
    await stalled.clock.advance(5000)
    assert.deepEqual(await stalling, { end: 'client-gone' })

    const stopped = writing(silent(), 4)
    const stopping = stopped.written()
    stopped.controller.abort()
    assert.deepEqual(await stopping, { end: 'stopped' })
  })
})
