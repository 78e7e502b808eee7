import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GridLayout } from '../../src/chunking/index.ts'
import { ChunkAssembler } from '../../src/scheduler/chunk-assembler.ts'
import { Demand, type DemandKind, isMorePressing, urgencyAmong } from '../../src/scheduler/demand.ts'
import { defaultSettings } from '../../src/scheduler/index.ts'
import { plan } from '../../src/scheduler/plan.ts'
import { seededRandom } from '../support/simulation/cluster.ts'
import { CHUNK, planView, trackerState } from '../support/simulation/plan-lab.ts'

const CHUNKS = 20
const SIZE = CHUNKS * CHUNK

const chunkSet = fc.uniqueArray(fc.integer({ min: 0, max: CHUNKS - 1 }))
const demand = fc
  .record({
    kind: fc.constantFrom<DemandKind>('range', 'open', 'ahead', 'trace', 'whole', 'background'),
    start: fc.integer({ min: 0, max: SIZE - 1 }),
    length: fc.integer({ min: 0, max: SIZE }),
  })
  .map(({ kind, start, length }) => new Demand(kind, start, Math.min(SIZE, start + length)))

const swarm = fc.record({
  seed: fc.integer(),
  holdings: fc.array(chunkSet, { maxLength: 5 }),
  held: chunkSet,
  believed: chunkSet,
  inFlight: fc.array(fc.integer({ min: 0, max: CHUNKS - 1 }), { maxLength: 8 }),
  loads: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 6, maxLength: 6 }),
  rests: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
  demands: fc.array(demand, { maxLength: 4 }),
  freeSlots: fc.integer({ min: -2, max: 12 }),
  originReads: fc.integer({ min: 0, max: 5 }),
  hasTracker: fc.boolean(),
  isSettled: fc.boolean(),
  mayReadOrigin: fc.boolean(),
})

test('a plan keeps to what peers hold, to their depth, to the slots and to what is wanted', () => {
  fc.assert(
    fc.property(swarm, ({ seed, inFlight, loads, rests, hasTracker, ...init }) => {
      const duty = hasTracker ? trackerState(CHUNKS) : undefined
      const view = planView({ ...init, chunkCount: CHUNKS, nowMs: 1, random: seededRandom(seed), duty })
      const peers = [...view.agents, ...(duty === undefined ? [] : [duty])]
      for (const [i, peer] of peers.entries()) {
        for (let load = loads[i] ?? 0; load > 0; load--) peer.begins(0)
        peer.restUntilMs = rests[i] ? 2 : 0
      }
      for (const chunk of inFlight) view.board.begin(chunk, 'someone', 0)
      const actions = plan(view)
      const load = new Map(peers.map((peer) => [peer, peer.inFlight]))
      const taken = new Set<number>()
      assert.ok(actions.length <= Math.max(0, view.freeSlots))
      for (const action of actions) {
        const chunks = action.kind === 'ask' ? [action.chunk] : []
        if (action.kind === 'read-origin') {
          assert.ok(view.mayReadOrigin && duty === undefined && view.isSettled)
          for (let i = 0; i < action.count; i++) chunks.push(action.start + i)
        } else {
          load.set(action.peer, (load.get(action.peer) ?? 0) + 1)
          assert.ok((load.get(action.peer) ?? 0) <= view.settings.depthPerPeer)
          assert.ok(action.peer.restUntilMs <= view.nowMs)
          if (action.kind === 'ask') assert.ok(action.peer === duty || action.peer.holds(action.chunk))
        }
        for (const chunk of chunks) {
          assert.ok(!taken.has(chunk) && !view.isHeld(chunk) && !view.board.isInFlight(chunk))
          assert.notEqual(urgencyAmong(view.demands, chunk, view.layout, view.nowMs, view.settings), undefined)
          taken.add(chunk)
        }
      }
    }),
  )
})

test('a chunk outside what is left of a demand is not wanted, and one more reader never makes a chunk less pressing', () => {
  const layout = new GridLayout(SIZE, CHUNK)
  fc.assert(
    fc.property(fc.array(demand), demand, fc.integer({ min: 0, max: CHUNKS - 1 }), (demands, more, chunk) => {
      const urgency = more.urgencyOf(chunk, layout, 0, defaultSettings)
      const touches = chunk * CHUNK < more.end && (chunk + 1) * CHUNK > more.position && !more.isDone
      if (!touches) assert.equal(urgency, undefined)
      const before = urgencyAmong(demands, chunk, layout, 0, defaultSettings)
      const after = urgencyAmong([...demands, more], chunk, layout, 0, defaultSettings)
      if (before !== undefined) assert.ok(after === before || (after !== undefined && isMorePressing(after, before)))
    }),
  )
})

test('a stream is cut into the same chunks however it is split', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.nat(60)),
      (bytes, chunkBytes, lengths) => {
        const layout = new GridLayout(bytes.byteLength, chunkBytes)
        const assembler = new ChunkAssembler(layout, 0)
        const chunks: { chunk: number; bytes: Uint8Array }[] = []
        let at = 0
        for (const length of [...lengths, bytes.byteLength]) {
          for (const { chunk, payload } of assembler.push(bytes.slice(at, at + length)))
            chunks.push({ chunk, bytes: payload.bytes })
          at += length
        }
        assert.deepEqual(
          chunks.map(({ chunk }) => chunk),
          Array.from({ length: layout.chunkCount }, (_, chunk) => chunk),
        )
        assert.deepEqual(Buffer.concat(chunks.map((chunk) => chunk.bytes)), Buffer.from(bytes))
        for (const { chunk, bytes: of } of chunks) assert.equal(of.byteLength, layout.lengthOf(chunk))
      },
    ),
  )
})
