import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lane } from '../../../src/exchange/lane.ts'
import type { ExchangeMessage } from '../../../src/exchange/messages.ts'
import { Outbox } from '../../../src/exchange/outbox.ts'
import { turns } from '../../support/exchange-bench.ts'
import { memoryChannelPair } from '../../support/memory-carrier.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const gone: ExchangeMessage = { kind: 'gone', follow: 1 }

function bench(onSent: () => void = () => undefined) {
  const [near, far] = memoryChannelPair(['near', 'far'])
  const lane = new Lane(near)
  lane.listen({ onHeader: () => undefined, onFrame() {}, onClosed() {} })
  const clock = new VirtualClock()
  const outbox = new Outbox({ lane, clock, coalesceMs: 5, pull: () => undefined, onSent })
  return { near, far, lane, clock, outbox }
}

test('a message that is posted in the moment the outbox falls idle goes out too', async () => {
  for (let hops = 0; hops < 8; hops += 1) {
    let sentCount = 0
    const { outbox } = bench(() => {
      sentCount += 1
      if (sentCount > 1) return
      let left = hops
      const hop = () => (left-- > 0 ? queueMicrotask(hop) : outbox.post(gone))
      hop()
    })
    outbox.post(gone)
    await turns()
    assert.equal(sentCount, 2, `after ${hops} microtasks`)
  }
})

test('more than a peer may leave unread ends its stream', async () => {
  const { outbox, far, lane } = bench()
  far.hold(true)
  const map = new Uint8Array(512 * 1024)
  for (let count = 0; count < 12; count += 1) outbox.post(gone, map)
  assert.equal(lane.isClosed, true)
  outbox.post(gone)
  await outbox.finished()
})

test('a message waits for a peer that does not read, and ends its stream in time', async () => {
  const { outbox, far, lane, clock } = bench()
  far.hold(true)
  const map = new Uint8Array(2 * 1024 * 1024)
  outbox.post(gone, map)
  outbox.post(gone)
  await turns()
  await clock.advance(19_000)
  assert.equal(lane.isClosed, false)
  await clock.advance(2_000)
  assert.equal(lane.isClosed, true)
  await outbox.finished()
})
