import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GridLayout } from '../../../src/chunking/index.ts'
import { digestOf, type StartTrace } from '../../../src/core/index.ts'
import { TraceRecorder } from '../../../src/traces/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const SECOND = 1_000

/** Readers of a layer of `chunks` chunks of ten bytes. */
function lab(chunks = 100) {
  const clock = new VirtualClock()
  const traces: StartTrace[] = []
  const recorder = new TraceRecorder({ clock, onTrace: (_digest, trace) => traces.push(trace) })
  const layout = new GridLayout(chunks * 10, 10)
  const read = (start: number, end = start + 1, kind: 'range' | 'open' = 'range', name = 'layer') => {
    const ref = { digest: digestOf(Buffer.from(name)), sizeBytes: chunks * 10 }
    recorder.read({ ref, range: { start, end }, kind, layout, access: { origins: [] }, isComplete: false })
  }
  return { clock, traces, recorder, read }
}

describe('the recorder of starts', () => {
  it('tells where the chunks begin that were read, in the order of their first reads, each once', async () => {
    const { clock, traces, read } = lab()
    for (const at of [505, 12, 507, 13, 0]) read(at)
    read(95, 121)
    await clock.advance(5 * SECOND)
    assert.deepEqual(traces, [{ sizeBytes: 1_000, offsets: [500, 10, 0, 90, 100, 110, 120] }])
  })

  it('goes on after a silence, and tells it again with more', async () => {
    const { clock, traces, read } = lab()
    read(0)
    read(50)
    await clock.advance(10 * SECOND)
    read(20)
    await clock.advance(10 * SECOND)
    assert.deepEqual(
      traces.map(({ offsets }) => offsets),
      [
        [0, 50],
        [0, 50, 20],
      ],
    )
  })

  it('leaves out what follows a silence when it makes a pull of it: a snapshotter reads on to the end by itself', async () => {
    const { clock, traces, read } = lab()
    for (const at of [900, 300, 700]) read(at)
    await clock.advance(5 * SECOND)
    for (let at = 0; at < 1_000; at += 10) read(at)
    await clock.advance(70 * SECOND)
    assert.deepEqual(
      traces.map(({ offsets }) => offsets),
      [[900, 300, 700]],
    )
  })

  it('ends a minute after the first read, and records no layer twice', async () => {
    const { clock, traces, read } = lab()
    for (let second = 0; second < 90; second++) {
      read(10 * Math.floor(second / 2))
      await clock.advance(SECOND)
    }
    assert.deepEqual(
      traces.map(({ offsets }) => offsets.length),
      [30],
    )
    await clock.advance(100 * SECOND)
    read(990)
    read(980)
    await clock.advance(100 * SECOND)
    assert.equal(traces.length, 1)
  })

  it('tells nothing of a probe, of ranges without an end, and of a pull', async () => {
    const { clock, traces, read } = lab()
    read(0, 2, 'range', 'probed')
    for (const at of [0, 500]) read(at, 1_000, 'open', 'pulled openly')
    for (let at = 0; at < 1_000; at += 10) read(at, at + 10, 'range', 'pulled')
    await clock.advance(100 * SECOND)
    assert.deepEqual(traces, [])
  })

  it('keeps all of a small layer', async () => {
    const { clock, traces, read } = lab(4)
    for (const at of [30, 0, 10, 20]) read(at)
    await clock.advance(5 * SECOND)
    assert.deepEqual(traces[0]?.offsets, [30, 0, 10, 20])
  })

  it('holds no more chunks than a trace may have, and says nothing once it is closed', async () => {
    const { clock, traces, recorder, read } = lab(4_000)
    for (let at = 0; at < 40_000; at += 20) read(at)
    read(0, 1, 'range', 'other')
    read(20, 21, 'range', 'other')
    await clock.advance(5 * SECOND)
    assert.deepEqual(
      traces.map(({ offsets }) => offsets.length),
      [512, 2],
    )
    read(0, 1, 'range', 'third')
    read(20, 21, 'range', 'third')
    recorder.close()
    await clock.advance(100 * SECOND)
    assert.deepEqual([traces.length, clock.pendingCount], [2, 0])
  })
})
