import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DocumentReply, DocumentRequest } from '../../../src/catalog/index.ts'
import { gridLayout } from '../../../src/chunking/index.ts'
import { type Digest, digestOf, ShoalError, type StartTrace } from '../../../src/core/index.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { TraceBook, TraceGuide } from '../../../src/traces/index.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'

const MiB = 1024 * 1024
const ref = { digest: digestOf(Buffer.from('layer')), sizeBytes: 64 * MiB }
const trace: StartTrace = { sizeBytes: ref.sizeBytes, offsets: [5 * MiB, 0, 9 * MiB] }

/** A guide whose tracker and agent answer as the test says. */
function lab(answers: { readonly tracker?: StartTrace; readonly agent?: StartTrace } = {}) {
  const clock = new VirtualClock()
  const notes = new Map<Digest, StartTrace & { readonly notedAtMs: number }>()
  const asked: { readonly peer: string; readonly request: DocumentRequest }[] = []
  const fetched: (readonly number[])[] = []
  const world = { isOpen: 0, fails: false, waits: false }
  const store = {
    putTrace: (digest: Digest, of: StartTrace) => void notes.set(digest, { ...of, notedAtMs: clock.wallTime() }),
    getTrace: (digest: Digest) => notes.get(digest),
  }
  const book = new TraceBook({ store, clock })
  const guide = new TraceGuide({
    book,
    peers: {
      trackers: () => [{ id: 'tracker', addresses: [] }],
      agents: () => [{ id: 'agent', addresses: [] }],
      ask: async ({ id }, request): Promise<DocumentReply> => {
        asked.push({ peer: id, request })
        const answer = id === 'tracker' ? answers.tracker : answers.agent
        return answer === undefined ? { kind: 'none' } : { kind: 'trace', trace: answer }
      },
    },
    open: async () => {
      world.isOpen++
      return {
        fetchInOrder: async (offsets, { signal }) => {
          fetched.push(offsets)
          if (world.fails) throw new ShoalError('down', { code: 'DOWN', blame: 'origin', retryable: true })
          if (!world.waits) return
          const { promise, reject } = Promise.withResolvers<void>()
          signal?.addEventListener('abort', () => reject(signal.reason))
          await promise
        },
        close: () => void world.isOpen--,
      }
    },
    clock,
    logger: silentLogger(),
    metrics: new Metrics(),
  })
  const read = async (changes: { readonly kind?: 'range' | 'open'; readonly isComplete?: boolean } = {}, at = 0) => {
    const layout = gridLayout(ref.sizeBytes)
    const access = { origins: [] }
    guide.read({ ref, layout, access, range: { start: at, end: at + 1 }, kind: 'range', isComplete: false, ...changes })
    await settle()
    await settle()
  }
  return { clock, book, guide, asked, fetched, world, read }
}

describe('the guide of starts', () => {
  it('fetches what a tracker has heard of other starts, in their order, once for each layer', async () => {
    const { fetched, asked, read, world } = lab({ tracker: trace })
    await read()
    await read()
    assert.deepEqual(fetched, [trace.offsets])
    assert.deepEqual([asked.length, world.isOpen], [1, 0])
  })

  it('asks nobody where it knows the trace itself', async () => {
    const { fetched, asked, book, read } = lab({ tracker: { ...trace, offsets: [1] } })
    book.offer(ref.digest, trace)
    await read()
    assert.deepEqual([fetched, asked], [[trace.offsets], []])
  })

  it('asks agents where no tracker knows one', async () => {
    const { fetched, asked, read } = lab({ agent: trace })
    await read()
    assert.deepEqual(fetched, [trace.offsets])
    assert.deepEqual(
      asked.map(({ peer }) => peer),
      ['tracker', 'agent'],
    )
  })

  it('leaves alone a trace of a layer of another size, and fetches nothing without one', async () => {
    const { fetched, read } = lab({ tracker: { ...trace, sizeBytes: 1 }, agent: { ...trace, sizeBytes: 2 } })
    await read()
    assert.deepEqual(fetched, [])
  })

  it('does nothing for a layer that is all here, nor for a pull that goes on', async () => {
    const { asked, read } = lab({ tracker: trace })
    await read({ isComplete: true })
    await read({ kind: 'open' })
    assert.deepEqual(asked, [])
  })

  it('survives a source that fails', async () => {
    const { world, read, guide } = lab({ tracker: trace })
    world.fails = true
    await read()
    assert.equal(world.isOpen, 0)
    await guide.stop()
  })

  it('gives up after two minutes, and when the process ends', async () => {
    const { clock, world, read } = lab({ tracker: trace })
    world.waits = true
    await read()
    await clock.advance(119_000)
    assert.equal(world.isOpen, 1)
    await clock.advance(1_000)
    assert.equal(world.isOpen, 0)
    const second = lab({ tracker: trace })
    second.world.waits = true
    await second.read()
    await second.guide.stop()
    assert.equal(second.world.isOpen, 0)
  })

  it('leaves a trace that does not foretell what is read', async () => {
    const [right, wrong] = [lab({ tracker: trace }), lab({ tracker: trace })]
    right.world.waits = true
    wrong.world.waits = true
    await right.read()
    await wrong.read()
    for (const chunk of [5, 0, 9, 20, 21]) await right.read({}, chunk * MiB)
    for (const chunk of [30, 5, 31, 31, 31, 32]) await wrong.read({}, chunk * MiB)
    assert.deepEqual([right.world.isOpen, wrong.world.isOpen], [1, 1])
    await wrong.read({}, 33 * MiB)
    assert.deepEqual([right.world.isOpen, wrong.world.isOpen], [1, 0])
    await right.guide.stop()
  })

  it('tells the trackers of a start here that is the best known, and of no other', async () => {
    const { asked, guide, book } = lab()
    guide.learn(ref.digest, trace)
    guide.learn(ref.digest, { ...trace, offsets: [0, 1] })
    await settle()
    assert.deepEqual(asked, [{ peer: 'tracker', request: { kind: 'trace', digest: ref.digest, offer: trace } }])
    assert.deepEqual(book.get(ref.digest), trace)
  })
})
