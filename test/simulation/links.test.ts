import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Link, transfer } from '../support/simulation/links.ts'
import { TickClock } from '../support/simulation/tick-clock.ts'

/** A link of 1000 bytes a second each way. */
function link(): Link {
  return new Link({ upBytesPerSecond: 1_000, downBytesPerSecond: 1_000 })
}

/** When each of `flows` of 1000 bytes has arrived, all of them begun at once. */
async function arrivals(flows: readonly (readonly [Link, Link])[]): Promise<number[]> {
  const clock = new TickClock()
  const times = flows.map(async ([from, to]) => {
    await transfer(clock, from, to, 1_000, 0, undefined)
    return Math.round(clock.now() / 100) / 10
  })
  await clock.advance(10_000)
  return await Promise.all(times)
}

test('flows share the link of their sender, and the link of their receiver', async () => {
  const [a, b, c] = [link(), link(), link()]
  assert.deepEqual(await arrivals([[a, b]]), [1])
  assert.deepEqual(
    await arrivals([
      [a, b],
      [a, c],
    ]),
    [2, 2],
  )
  assert.deepEqual(
    await arrivals([
      [a, c],
      [b, c],
    ]),
    [2, 2],
  )
})

test('what a receiver cannot take is left to the other flows of the sender', async () => {
  const [a, b, c, d] = [link(), link(), link(), link()]
  // Three flows into d: a third each. What a has left goes to b.
  const times = await arrivals([
    [a, b],
    [a, d],
    [b, d],
    [c, d],
  ])
  assert.deepEqual(times, [1.5, 3, 3, 3])
})
