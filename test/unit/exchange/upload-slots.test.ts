import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type UploadSlot, UploadSlots } from '../../../src/exchange/upload-slots.ts'
import { turns, watch } from '../../support/exchange-bench.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

function bench(slots = 1, maxWaiting = 4, maxWaitMs = 500) {
  const clock = new VirtualClock()
  return { clock, slots: new UploadSlots({ slots, maxWaiting, maxWaitMs }, clock) }
}

const asSlot = (value: unknown): UploadSlot => value as UploadSlot

test('gives no more slots than there are, and a waiting want the next one', async () => {
  const { slots } = bench(2)
  const first = asSlot(await slots.acquire({ urgency: 'soon' }))
  await slots.acquire({ urgency: 'soon' })
  const third = watch(slots.acquire({ urgency: 'soon' }))
  await turns()
  assert.equal(third.isSettled, false)
  first.release()
  first.release()
  await turns()
  assert.equal(third.isSettled, true)
  assert.equal(slots.inUse, 2)
})

test('lets the urgent go first', async () => {
  const { slots } = bench()
  const held = asSlot(await slots.acquire({ urgency: 'later' }))
  const order: string[] = []
  const waiting = (['later', 'soon', 'now'] as const).map(async (urgency) => {
    const slot = asSlot(await slots.acquire({ urgency }))
    order.push(urgency)
    slot.release()
  })
  held.release()
  await Promise.all(waiting)
  assert.deepEqual(order, ['now', 'soon', 'later'])
})

test('says busy with the measured time when the wait would be too long, and after waiting too long', async () => {
  const { clock, slots } = bench(1, 4, 500)
  const slow = asSlot(await slots.acquire({ urgency: 'soon' }))
  await clock.advance(4000)
  slow.release()
  await slots.acquire({ urgency: 'soon' })
  assert.deepEqual(await slots.acquire({ urgency: 'soon' }), { busyMs: 816 })
  const patient = watch(slots.acquire({ urgency: 'soon', isPatient: true }))
  await clock.advance(10_000)
  assert.equal(patient.isSettled, false)
})

test('a want that has waited for the longest time allowed is told busy', async () => {
  const { clock, slots } = bench(1, 4, 500)
  await slots.acquire({ urgency: 'soon' })
  const waiting = watch(slots.acquire({ urgency: 'soon' }))
  await clock.advance(499)
  assert.equal(waiting.isSettled, false)
  await clock.advance(1)
  assert.ok(waiting.value !== undefined && 'busyMs' in waiting.value)
  assert.equal(slots.waitingCount, 0)
})

test('the queue is bounded, and an aborted want leaves it', async () => {
  const { slots } = bench(1, 2)
  await slots.acquire({ urgency: 'soon' })
  const aborted = new AbortController()
  const waiting = watch(slots.acquire({ urgency: 'soon', signal: aborted.signal }))
  watch(slots.acquire({ urgency: 'soon', isPatient: true }))
  assert.ok('busyMs' in (await slots.acquire({ urgency: 'now', isPatient: true })))
  aborted.abort()
  await turns()
  assert.equal((waiting.error as Error).name, 'AbortError')
  assert.equal(slots.waitingCount, 1)
})

test('with slow chunks fewer are sent at a time, and as many as before once they are quick again', async () => {
  const { clock, slots } = bench(8, 64, 500)
  const sendAll = async (tookMs: number) => {
    const sent: UploadSlot[] = []
    while (slots.inUse < slots.limit) sent.push(asSlot(await slots.acquire({ urgency: 'soon' })))
    await clock.advance(tookMs)
    for (const slot of sent) slot.release()
  }
  await sendAll(700)
  assert.equal(slots.limit, 8)
  await sendAll(3_000)
  assert.equal(slots.limit, 5)
  for (let i = 0; i < 5; i++) await sendAll(3_000)
  assert.equal(slots.limit, 4)
  for (let i = 0; i < 50; i++) await sendAll(100)
  assert.equal(slots.limit, 8)
})

test('a node that has fewer slots keeps them however slow its chunks are', async () => {
  const { clock, slots } = bench(2)
  const slot = asSlot(await slots.acquire({ urgency: 'soon' }))
  await clock.advance(5_000)
  slot.release()
  assert.equal(slots.limit, 2)
})
