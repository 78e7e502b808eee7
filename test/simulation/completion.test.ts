import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Completer } from '../../src/completion/index.ts'
import { Metrics, silentLogger } from '../../src/telemetry/index.ts'
import type { SimulatedCluster, SimulatedNode } from '../support/simulation/cluster.ts'
import { MiB, runUntil, simulatedCluster } from '../support/simulation/run.ts'
import { SimulatedContent } from '../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const QUIET_MS = 5_000
const origins = [{ namespace: 'origin', repository: 'app' }]
const content = new SimulatedContent('layer', 64 * MiB)

/** Begins to complete what is read of `node`. */
function completerOf(clock: VirtualClock, { scheduler }: SimulatedNode, mode: 'idle' | 'now' = 'idle') {
  const completer = new Completer(
    { mode, quietMs: QUIET_MS },
    {
      open: async (ref, access, options) => await scheduler.open(ref, access, options),
      activity: () => scheduler.activity,
      hasRoomFor: async () => true,
      clock,
      logger: silentLogger(),
      metrics: new Metrics(),
    },
  )
  scheduler.listen(completer.listener)
  completer.start()
  return Object.assign(completer, { [Symbol.asyncDispose]: async () => await completer.stop() })
}

/** A range of a client, as long as it takes. */
async function read({ scheduler }: SimulatedNode, start: number, length = 4_096): Promise<void> {
  const handle = await scheduler.open(content.ref, { origins }, {})
  for await (const piece of handle.lend({ start, end: start + length }, 'range', {})) piece.release()
  handle.close()
}

async function heldBytes({ store }: SimulatedNode): Promise<number> {
  const blob = await store.open(content.ref)
  try {
    return blob.heldCount * content.layout.lengthOf(0)
  } finally {
    blob.release()
  }
}

function agentsOf({ agents }: SimulatedCluster): [SimulatedNode, SimulatedNode] {
  const [first, second] = agents
  assert.ok(first && second)
  return [first, second]
}

test('a layer of which some bytes were read is completed from the peer that has it, after a time of silence', async () => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 2, contents: [content], hasTracker: false })
  const [holder, reader] = agentsOf(cluster)
  await using completer = completerOf(clock, reader)
  await runUntil(clock, holder.pull(content), 60_000)
  const originBytes = cluster.originBytes
  await runUntil(clock, read(reader, 5 * MiB), 10_000)
  await clock.advance(QUIET_MS - 1_000)
  assert.equal(await heldBytes(reader), MiB)
  await clock.advance(30_000)
  assert.partialDeepStrictEqual(completer.status, { state: 'idle', done: 1 })
  assert.equal(await heldBytes(reader), 64 * MiB)
  // What was compared of the first chunks that one agent alone names.
  assert.ok(cluster.originBytes - originBytes < MiB, `${cluster.originBytes - originBytes} bytes from the origin`)
})

for (const hasTracker of [true, false]) {
  test(`agents that complete the same layer ${hasTracker ? 'with' : 'without'} a tracker read the origin once between them`, async (t) => {
    const clock = new VirtualClock()
    await using cluster = simulatedCluster({ clock, agents: 6, contents: [content], hasTracker })
    await using stack = new AsyncDisposableStack()
    for (const agent of cluster.agents) stack.use(completerOf(clock, agent))
    await runUntil(clock, Promise.all(cluster.agents.map(async (agent, i) => await read(agent, i * 7 * MiB))), 10_000)
    await clock.advance(120_000)
    for (const agent of cluster.agents) assert.equal(await heldBytes(agent), 64 * MiB)
    const copies = cluster.originBytes / content.ref.sizeBytes
    t.diagnostic(`${copies} copies`)
    assert.ok(copies <= 1.3, `${copies} copies`)
  })
}

test('readers of other chunks hardly notice that their layer is being completed, and are not kept waiting by it', async (t) => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 2, contents: [content], hasTracker: false })
  const [holder, reader] = agentsOf(cluster)
  await runUntil(clock, holder.pull(content), 60_000)
  await using _completer = completerOf(clock, reader, 'now')
  const waits: number[] = []
  for (let i = 0; i < 10; i++) {
    const sinceMs = clock.now()
    await runUntil(clock, read(reader, (63 - 6 * i) * MiB), 10_000)
    waits.push(clock.now() - sinceMs)
    await clock.advance(700)
  }
  t.diagnostic(waits.join(' '))
  // A chunk takes 84 ms; those of the step that a reader ends, eight at most, share the link with it.
  assert.ok(Math.max(...waits) <= 400, waits.join(' '))
})

test('a chunk that a reader asks for while it is being completed is fetched once', async () => {
  const clock = new VirtualClock()
  await using cluster = simulatedCluster({ clock, agents: 2, contents: [content], hasTracker: false })
  const [holder, reader] = agentsOf(cluster)
  await runUntil(clock, holder.pull(content), 60_000)
  const before = cluster.originBytes + holder.link.sentBytes
  await using completer = completerOf(clock, reader, 'now')
  await runUntil(clock, read(reader, 0), 10_000)
  // As a snapshotter that fetches in the background itself: by ranges, one after the other.
  for (let at = 0; at < content.ref.sizeBytes; at += MiB) await runUntil(clock, read(reader, at), 10_000)
  await clock.advance(10_000)
  assert.equal(await heldBytes(reader), 64 * MiB)
  assert.equal(completer.status.state, 'idle')
  const bytes = cluster.originBytes + holder.link.sentBytes - before
  assert.ok(bytes <= 1.02 * content.ref.sizeBytes, `${bytes / content.ref.sizeBytes} copies`)
})
