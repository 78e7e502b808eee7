import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DocumentReply, DocumentRequest } from '../../src/catalog/index.ts'
import type { Digest, StartTrace } from '../../src/core/index.ts'
import { Metrics, silentLogger } from '../../src/telemetry/index.ts'
import { TraceBook, TraceGuide, TraceRecorder } from '../../src/traces/index.ts'
import { type SimulatedCluster, type SimulatedNode, seededRandom } from '../support/simulation/cluster.ts'
import { MiB, runUntil, simulatedCluster } from '../support/simulation/run.ts'
import { SimulatedContent } from '../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const origins = [{ namespace: 'origin', repository: 'app' }]
const content = new SimulatedContent('layer', 200 * MiB)

/** What a container does between two reads of a start. */
const THINK_MS = 40

function bookOf(clock: VirtualClock): TraceBook {
  const notes = new Map<Digest, StartTrace & { readonly notedAtMs: number }>()
  return new TraceBook({
    clock,
    store: {
      putTrace: (digest, trace) => void notes.set(digest, { ...trace, notedAtMs: clock.wallTime() }),
      getTrace: (digest) => notes.get(digest),
    },
  })
}

/** Records and follows traces at `node`; `tracker` is what its tracker remembers. */
function traced(clock: VirtualClock, { scheduler }: SimulatedNode, tracker: TraceBook) {
  const ask = async (_peer: unknown, request: DocumentRequest): Promise<DocumentReply> => {
    if (request.kind !== 'trace') return { kind: 'none' }
    if (request.offer !== undefined) tracker.offer(request.digest, request.offer)
    const trace = tracker.get(request.digest)
    return trace === undefined ? { kind: 'none' } : { kind: 'trace', trace }
  }
  const guide = new TraceGuide({
    book: bookOf(clock),
    peers: { trackers: () => [{ id: 'tracker', addresses: [] }], agents: () => [], ask },
    open: async (ref, access, options) => await scheduler.open(ref, access, options),
    clock,
    logger: silentLogger(),
    metrics: new Metrics(),
  })
  const recorder = new TraceRecorder({ clock, onTrace: (digest, trace) => guide.learn(digest, trace) })
  scheduler.listen({
    readLazily: (read) => {
      recorder.read(read)
      guide.read(read)
    },
  })
  return {
    [Symbol.asyncDispose]: async () => {
      recorder.close()
      await guide.stop()
    },
  }
}

/** One read of a start after the other; how long each took. */
async function start(clock: VirtualClock, { scheduler }: SimulatedNode, chunks: readonly number[]): Promise<number[]> {
  const waits: number[] = []
  for (const chunk of chunks) {
    const sinceMs = clock.now()
    const handle = await scheduler.open(content.ref, { origins }, {})
    const range = { start: chunk * MiB + 1_000, end: chunk * MiB + 6_000 }
    for await (const piece of handle.lend(range, 'range', {})) piece.release()
    handle.close()
    waits.push(clock.now() - sinceMs)
    const { promise, resolve } = Promise.withResolvers<void>()
    clock.after(THINK_MS, resolve)
    await promise
  }
  return waits
}

/** Forty chunks here and there, always the same. */
function someChunks(): number[] {
  const random = seededRandom(7)
  return [...new Set(Array.from({ length: 60 }, () => Math.floor(random() * 200)))].slice(0, 40)
}

function nodesOf({ agents }: SimulatedCluster): [SimulatedNode, SimulatedNode, SimulatedNode] {
  const [holder, first, second] = agents
  assert.ok(holder && first && second)
  return [holder, first, second]
}

const total = (waits: readonly number[]) => waits.reduce((sum, ms) => sum + ms, 0)

test('the second start of an image waits for little more than its first reads', async (t) => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 3, contents: [content], hasTracker: false })
  const [holder, first, second] = nodesOf(cluster)
  await runUntil(clock, holder.pull(content), 60_000)
  const tracker = bookOf(clock)
  await using _first = traced(clock, first, tracker)
  await using _second = traced(clock, second, tracker)
  const cold = await runUntil(clock, start(clock, first, someChunks()), 60_000)
  await clock.advance(5_000)
  const led = await runUntil(clock, start(clock, second, someChunks()), 60_000)
  t.diagnostic(`waits of the first start: ${total(cold)} ms, of the second: ${total(led)} ms (${led.join(' ')})`)
  assert.ok(total(led) <= 0.6 * total(cold), `${total(led)} ms against ${total(cold)} ms`)
})

test('a trace that is wrong costs a start little, and no more than its layer', async (t) => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 3, contents: [content], hasTracker: false })
  const [holder, first, second] = nodesOf(cluster)
  await runUntil(clock, holder.pull(content), 60_000)
  const cold = await runUntil(clock, start(clock, first, someChunks()), 60_000)
  const lies = bookOf(clock)
  const read = new Set(someChunks())
  const offsets = Array.from({ length: 200 }, (_, chunk) => chunk).filter((chunk) => !read.has(chunk))
  lies.offer(content.ref.digest, { sizeBytes: content.ref.sizeBytes, offsets: offsets.map((chunk) => chunk * MiB) })
  const before = holder.link.sentBytes
  await using _second = traced(clock, second, lies)
  const misled = await runUntil(clock, start(clock, second, someChunks()), 60_000)
  await clock.advance(60_000)
  t.diagnostic(`waits without: ${total(cold)} ms, misled: ${total(misled)} ms`)
  assert.ok(holder.link.sentBytes - before <= 1.01 * content.ref.sizeBytes)
  assert.ok(total(misled) <= 1.5 * total(cold), `${total(misled)} ms against ${total(cold)} ms`)
})
