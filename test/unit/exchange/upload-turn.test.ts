import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_LIMITS } from '../../../src/exchange/limits.ts'
import { UploadSlots } from '../../../src/exchange/upload-slots.ts'
import {
  takeUploadTurn,
  tooLongFor,
  type UploadTurn,
  type UploadTurnOptions,
} from '../../../src/exchange/upload-turn.ts'
import { BandwidthLimiter, type BandwidthRates, UNLIMITED } from '../../../src/util/index.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'

const MIB = 1024 * 1024

function uploads(rates: Partial<BandwidthRates>, slotCount = 4) {
  const clock = new VirtualClock()
  const bandwidth = new BandwidthLimiter({ ...UNLIMITED, ...rates }, { clock })
  const slots = new UploadSlots({ slots: slotCount, maxWaiting: 8, maxWaitMs: 150 }, clock)
  const limits = { ...DEFAULT_LIMITS, maxUploadWaitMs: 150 }
  const components = { clock, bandwidth, slots, limits }
  const results: (UploadTurn | { readonly busyMs: number } | Error)[] = []
  const take = (options: Partial<UploadTurnOptions> = {}) => {
    const turn = takeUploadTurn(components, { bytes: MIB, urgency: 'soon', ...options })
    turn.then(
      (result) => results.push(result),
      (error: Error) => results.push(error),
    )
  }
  return { clock, bandwidth, slots, components, results, take }
}

const isTurn = (result: unknown) => typeof result === 'object' && result !== null && 'end' in result

test('without a limit only slots count', async () => {
  const { results, take, slots } = uploads({}, 2)
  take()
  take()
  await settle()
  assert.ok(results.every(isTurn))
  assert.equal(slots.inUse, 2)
})

test('a want that would wait too long for bandwidth is told for how long, and holds no slot', async () => {
  const { results, take, slots } = uploads({ total: 4 * MIB })
  take()
  take()
  await settle()
  // A fifth of a second went at once, so of the first chunk 0.2 MiB are owed: 50 ms, in which the second waits.
  assert.deepEqual([results.length, slots.inUse], [1, 1])
  take()
  await settle()
  assert.deepEqual(results[1], { busyMs: 300 })
  assert.equal(slots.inUse, 1)
})

test('a want waits shortly for bandwidth and goes when its time has come', async () => {
  const { clock, results, take } = uploads({ total: 4 * MIB })
  take()
  take()
  await clock.advance(50)
  assert.equal(results.filter(isTurn).length, 2)
})

test('a want that is overtaken for too long is told busy', async () => {
  const { clock, results, take } = uploads({ total: 4 * MIB })
  take()
  take({ urgency: 'idle' })
  take({ urgency: 'now' })
  await clock.advance(150)
  await settle()
  assert.deepEqual(results.map(isTurn), [true, true, false])
})

test('a chunk that was chosen for a peer waits longer, but none is chosen that would wait too long', async () => {
  const { clock, components, results, take } = uploads({ total: 1 * MIB })
  take()
  take({ isPatient: true })
  take({ isPatient: true })
  assert.equal(tooLongFor(components, 'soon')?.busyMs, 2_800)
  assert.equal(tooLongFor(components, 'now'), undefined)
  await clock.advance(2_000)
  assert.equal(results.filter(isTurn).length, 3)
})

test('what was not used is given back, and so is what a busy slot made useless', async () => {
  const { clock, bandwidth, results, take } = uploads({ total: 4 * MIB }, 1)
  take()
  await settle()
  const [first] = results as UploadTurn[]
  assert.equal(Math.round(bandwidth.waitMs('pull')), 50)
  // The second gets bandwidth after 50 ms, and no slot.
  take()
  await clock.advance(1_000)
  assert.ok('busyMs' in (results[1] ?? {}))
  assert.equal(bandwidth.waitMs('pull'), 0)
  first?.end(false)
  assert.ok(bandwidth.tryTake(1, 'background'))
})

test('an aborted want leaves the queue with its reason', async () => {
  const { bandwidth, results, take } = uploads({ total: 4 * MIB })
  const controller = new AbortController()
  take()
  take({ signal: controller.signal })
  await settle()
  controller.abort(new Error('cancelled'))
  await settle()
  assert.equal((results[1] as Error).message, 'cancelled')
  assert.equal(bandwidth.waitingCount, 0)
})
