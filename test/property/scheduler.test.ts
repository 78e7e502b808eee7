import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isAbort, ShoalError } from '../../src/core/index.ts'
import type { DemandKind } from '../../src/scheduler/index.ts'
import { SimulatedCluster, seededRandom } from '../support/simulation/cluster.ts'
import { runUntil } from '../support/simulation/run.ts'
import { SimulatedContent } from '../support/simulation/simulated-blob.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const CHUNK = 1024
const SIZE = 24 * CHUNK - 100
const AGENTS = 4

/** A chunk takes 10 ms over such a link. */
const BYTES_PER_SECOND = 100 * CHUNK

/** All trouble is over by then, but the origin may stay down. */
const TROUBLE_MS = 5_000

/** Requests for later end by themselves, within their own deadline. */
const FOR_LATER_MS = 25_000

/** What comes next for readers who seemed to read on is wanted for a moment more, in case they do. */
const READ_AHEAD_MS = 5_000

/** Longer than a reader's give-up time, its retries included. */
const PATIENCE_MS = 120_000

const settings = {
  openWindowBytes: 3 * CHUNK,
  pullWindowBytes: 4 * CHUNK,
  originExtentBytes: 8 * CHUNK,
  inFlightPerDownload: 6,
  depthPerPeer: 3,
}

const random = seededRandom(7)
const bytes = Uint8Array.from({ length: SIZE }, () => Math.floor(random() * 256))
const content = SimulatedContent.real('layer', bytes, CHUNK)

type Trouble = 'lies' | 'stalls' | 'kill' | 'fills disk' | 'origin down' | 'origin up'

interface Reader {
  readonly kind: 'read'
  readonly agent: number
  readonly start: number
  readonly length: number
  readonly demand: DemandKind
  readonly stopAfterBytes: number | undefined
}

type Event = { readonly atMs: number; readonly what: Reader | { readonly kind: Trouble; readonly agent: number } }

const agentNumber = fc.integer({ min: 0, max: AGENTS - 1 })
const reader: fc.Arbitrary<Reader> = fc.record({
  kind: fc.constant('read' as const),
  agent: agentNumber,
  start: fc.integer({ min: 0, max: SIZE - 1 }),
  length: fc.integer({ min: 0, max: SIZE }),
  demand: fc.constantFrom<DemandKind>('range', 'open', 'whole', 'background'),
  stopAfterBytes: fc.option(fc.integer({ min: 1, max: SIZE }), { nil: undefined }),
})
const trouble = fc.record({
  kind: fc.constantFrom<Trouble>('lies', 'stalls', 'kill', 'fills disk', 'origin down', 'origin up'),
  agent: agentNumber,
})
const events: fc.Arbitrary<Event[]> = fc.array(
  fc.record({
    atMs: fc.integer({ min: 0, max: TROUBLE_MS }),
    what: fc.oneof({ weight: 3, arbitrary: reader }, { weight: 1, arbitrary: trouble }),
  }),
  { minLength: 1, maxLength: 16 },
)

function causeTrouble(cluster: SimulatedCluster, kind: Trouble, agent: number): void {
  const node = cluster.agents[agent]
  if (kind === 'origin down' || kind === 'origin up') cluster.isOriginDown = kind === 'origin down'
  else if (node === undefined) return
  else if (kind === 'kill') node.kill()
  else if (kind === 'fills disk') node.store.isFull = true
  else node[kind] = true
}

/** Reads as a client would; what it got is right whether or not it got all. */
async function readAs(
  cluster: SimulatedCluster,
  { agent, start, length, demand, stopAfterBytes }: Reader,
): Promise<void> {
  const range = { start, end: Math.min(SIZE, start + length) }
  const node = cluster.agents[agent]
  const handle = await node?.scheduler.open(content.ref, { origins: [{ namespace: 'o', repository: 'r' }] }, {})
  let position = start
  try {
    for await (const piece of handle?.read(range, demand, {}) ?? []) {
      assert.deepEqual(Buffer.from(piece), Buffer.from(bytes.subarray(position, position + piece.byteLength)))
      position += piece.byteLength
      if (stopAfterBytes !== undefined && position - start >= stopAfterBytes) return
    }
    assert.equal(position, Math.max(range.start, range.end))
  } catch (error) {
    // With the origin down nobody may be left to give the rest; anything else is a bug.
    if (!(error instanceof ShoalError) || isAbort(error)) throw error
    assert.ok(['SOURCES_EXHAUSTED', 'BLOB_CORRUPT'].includes(error.code), error.code)
  } finally {
    handle?.close()
  }
}

/** How long after the last reader requests may still be under way. */
function lingerMs(history: readonly Event[]): number {
  const readers = history.map(({ what }) => what).filter((what) => what.kind === 'read')
  // What was asked for at background urgency goes on when its reader leaves: it is wanted later anyway.
  if (readers.some(({ demand }) => demand === 'background')) return FOR_LATER_MS
  const rangesAt = Map.groupBy(
    readers.filter(({ demand }) => demand === 'range'),
    ({ agent }) => agent,
  )
  return [...rangesAt.values()].some((ranges) => ranges.length > 2) ? READ_AHEAD_MS : 10
}

async function live(seed: number, hasTracker: boolean, history: readonly Event[]): Promise<void> {
  const clock = new VirtualClock()
  const rates = { nodeBytesPerSecond: BYTES_PER_SECOND, originBytesPerSecond: BYTES_PER_SECOND }
  const cluster = new SimulatedCluster({
    clock,
    agents: AGENTS,
    contents: [content],
    hasTracker,
    seed,
    settings,
    ...rates,
  })
  const readers: Promise<void>[] = []
  for (const { atMs, what } of history) {
    if (what.kind !== 'read') clock.after(atMs, () => causeTrouble(cluster, what.kind, what.agent))
    else {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      clock.after(atMs, () => void readAs(cluster, what).then(resolve, reject))
      readers.push(promise)
    }
  }
  try {
    await runUntil(clock, Promise.all(readers), PATIENCE_MS)
    await clock.advance(lingerMs(history))
    for (const { id, requests } of cluster.agents) {
      assert.equal(requests.now, 0, `${id} still asks long after everybody has read`)
      assert.ok(requests.most <= settings.inFlightPerDownload, `${id} had ${requests.most} requests under way`)
      assert.ok(requests.mostToPeer <= settings.depthPerPeer, `${id} had ${requests.mostToPeer} at one peer`)
    }
  } finally {
    await cluster.stop()
  }
}

/** Found by chance: what is left in the background is neither cancelled nor forgotten. */
const LEFT_EARLY: Event[] = [
  {
    atMs: 0,
    what: { kind: 'read', agent: 0, start: 0, length: 1, demand: 'background', stopAfterBytes: 1 },
  },
  { atMs: 4, what: { kind: 'origin down', agent: 0 } },
]

const wholeRead = (agent: number, atMs: number, start: number, length: number, demand: DemandKind): Event => ({
  atMs,
  what: { kind: 'read', agent, start, length, demand, stopAfterBytes: undefined },
})

/** Found by chance: with no disk, a range wider than memory whose first chunk never comes fetched the others for ever. */
const WIDER_THAN_MEMORY: Event[] = [
  { atMs: 91, what: { kind: 'origin down', agent: 0 } },
  { atMs: 0, what: { kind: 'fills disk', agent: 1 } },
  wholeRead(0, 0, CHUNK, 1, 'range'),
  wholeRead(1, 86, 0, 9 * CHUNK + 1, 'range'),
  wholeRead(2, 0, 0, 1, 'open'),
]

/** A tracker that hears nothing of an agent sends it again and again what it has: no reason to wait on. */
const SENT_AGAIN: Event[] = [
  wholeRead(1, 0, 2 * CHUNK, 1, 'background'),
  { atMs: 0, what: { kind: 'kill', agent: 1 } },
  { atMs: 4, what: { kind: 'origin down', agent: 0 } },
]

/** Found by chance: three ranges, each a little longer, are taken for one reader who reads on. */
const READ_ON: Event[] = [
  wholeRead(0, 0, 0, 0, 'range'),
  wholeRead(0, 0, 0, 1, 'range'),
  wholeRead(0, 0, 0, 2049, 'range'),
]

for (const hasTracker of [true, false]) {
  test(`every reader gets right bytes in order or fails in time ${hasTracker ? 'with' : 'without'} a tracker`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), events, async (seed, history) => await live(seed, hasTracker, history)),
      {
        numRuns: 60,
        examples: [LEFT_EARLY, WIDER_THAN_MEMORY, SENT_AGAIN, READ_ON].map((found): [number, Event[]] => [0, found]),
      },
    )
  })
}
