import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type FakeNode,
  type FakeNodeInit,
  type GivenOrder,
  outcomeOf,
  PrefetchSwarm,
} from '../../support/prefetch-swarm.ts'

/** Lets time go on until the order is over; fails when it is not within `limitMs`. Gives how long it took. */
async function untilOver(swarm: PrefetchSwarm, order: GivenOrder, limitMs: number): Promise<number> {
  const startMs = swarm.clock.now()
  while (!order.isOver) {
    const last = JSON.stringify(order.events.at(-1))
    assert.ok(swarm.clock.now() - startMs < limitMs, `not over after ${limitMs} ms: ${last}`)
    await swarm.clock.advance(50)
  }
  return swarm.clock.now() - startMs
}

function holders(swarm: PrefetchSwarm): FakeNode[] {
  return swarm.nodes.filter((node) => node.holds)
}

/** Everybody knows everybody. */
async function mesh(count: number, init?: (index: number) => FakeNodeInit): Promise<PrefetchSwarm> {
  const swarm = await PrefetchSwarm.of(count, init)
  swarm.joinAll()
  return swarm
}

/** Each knows those before and after it only. */
async function line(count: number, init?: (index: number) => FakeNodeInit): Promise<PrefetchSwarm> {
  const swarm = await PrefetchSwarm.of(count, init)
  for (let index = 1; index < count; index++) swarm.join(index - 1, index)
  return swarm
}

describe('an order to all', () => {
  it('reaches a hundred and fifty nodes of which each knows only twelve', async () => {
    const swarm = await PrefetchSwarm.of(150)
    // A ring, which is as far apart as that many acquaintances can be.
    for (let index = 0; index < 150; index++)
      for (let step = 1; step <= 6; step++) swarm.join(index, (index + step) % 150)
    const order = swarm.node(0).order()
    await untilOver(swarm, order, 10_000)
    const { nodes, isComplete, failures, bytesBySource } = outcomeOf(order)
    assert.deepEqual([nodes.done, isComplete, failures], [150, true, []])
    assert.equal(holders(swarm).length, 150)
    assert.equal(bytesBySource.peers, 150 * 14)
    await swarm.stop()
  })

  it('costs little more than a message each where all know each other', async () => {
    const swarm = await mesh(60)
    const order = swarm.node(0).order()
    await untilOver(swarm, order, 10_000)
    assert.equal(outcomeOf(order).nodes.done, 60)
    assert.equal(swarm.counts.streams, 59)
    await swarm.stop()
  })

  it('says once in a while how far all of them are, and who is the slowest', async () => {
    const swarm = await mesh(12, (index) => ({ pullMs: index === 7 ? 9_000 : 3_000 }))
    const order = swarm.node(0).order()
    await untilOver(swarm, order, 20_000)
    const progress = order.events.filter((event) => event.type === 'progress')
    assert.ok(progress.some(({ nodes }) => nodes.running === 12))
    const late = progress.findLast(({ nodes }) => nodes.running === 1)
    assert.deepEqual([late?.nodes.done, late?.slowest?.name], [11, 'node-7'])
    assert.ok(progress.length < 40, `${progress.length} lines`)
    await swarm.stop()
  })

  it('passes through trackers, which fetch nothing and are not missed', async () => {
    const swarm = await PrefetchSwarm.of(6, (index) => ({ role: index === 1 || index === 5 ? 'tracker' : 'agent' }))
    for (const index of [0, 2, 3, 4]) swarm.join(1, index)
    swarm.join(0, 5)
    swarm.node(5).kill()
    const order = swarm.node(0).order()
    await untilOver(swarm, order, 10_000)
    const { nodes, isComplete } = outcomeOf(order)
    assert.deepEqual([nodes.done, nodes.relays, nodes.unreachable, isComplete], [4, 1, 0, true])
    assert.equal(swarm.node(1).holds, false)
    await swarm.stop()
  })

  it('names those that fail with their reasons, and those that are unreachable', async () => {
    const swarm = await mesh(9, (index) => (index === 3 ? { failsWith: 'the registry said 401' } : {}))
    swarm.node(5).kill()
    const order = swarm.node(0).order()
    await untilOver(swarm, order, 10_000)
    const { nodes, isComplete, failures } = outcomeOf(order)
    assert.deepEqual([nodes.done, nodes.failed, nodes.unreachable, isComplete], [7, 1, 1, false])
    assert.deepEqual(failures, [
      { peer: swarm.node(3).id, name: 'node-3', reason: 'the registry said 401' },
      { peer: swarm.node(5).id, name: '', reason: 'unreachable: connection refused' },
    ])
    await swarm.stop()
  })

  it('is refused before anybody hears of it when the image cannot be had', async () => {
    const swarm = await mesh(3)
    const order = swarm.node(0).order({ reference: 'elsewhere.test/app:v1' })
    await untilOver(swarm, order, 1_000)
    assert.match(String(order.failure), /not among the configured registries/)
    assert.equal(swarm.counts.streams, 0)
    await swarm.stop()
  })
})

describe('when nodes die', () => {
  it('the death of a relay costs nobody behind it the order or its mention', async () => {
    // 0 - 1 - (2 to 9): only the relay knows those behind it.
    const swarm = await PrefetchSwarm.of(10, () => ({ pullMs: 20_000 }))
    for (let index = 2; index < 10; index++) swarm.join(1, index)
    swarm.join(0, 1)
    const order = swarm.node(0).order()
    await swarm.clock.advance(5_000)
    swarm.node(1).kill()
    const tookMs = await untilOver(swarm, order, 60_000)
    const { nodes, failures } = outcomeOf(order)
    assert.deepEqual([nodes.done, nodes.failed, nodes.unreachable], [9, 0, 1])
    assert.deepEqual(
      failures.map(({ peer, name }) => [peer, name]),
      [[swarm.node(1).id, 'node-1']],
    )
    assert.ok(tookMs < 20_000, `${tookMs} ms`)
    await swarm.stop()
  })

  it('so does that of many in a large swarm', async () => {
    const swarm = await mesh(40, () => ({ pullMs: 20_000 }))
    const order = swarm.node(0).order()
    await swarm.clock.advance(3_000)
    for (let index = 1; index < 40; index += 4) swarm.node(index).kill()
    await untilOver(swarm, order, 90_000)
    const { nodes, failures } = outcomeOf(order)
    assert.deepEqual([nodes.done, nodes.unreachable, failures.length], [30, 10, 10])
    await swarm.stop()
  })

  it('a machine that falls silent is found out, and ends nothing but its own part', async () => {
    const swarm = await mesh(30, () => ({ pullMs: 5_000 }))
    const order = swarm.node(0).order()
    await swarm.clock.advance(1_000)
    for (const index of [4, 11]) swarm.node(index).isSilent = true
    const tookMs = await untilOver(swarm, order, 120_000)
    assert.equal(outcomeOf(order).nodes.done, 28)
    assert.deepEqual(
      new Set(outcomeOf(order).failures.map(({ peer }) => peer)),
      new Set([swarm.node(4).id, swarm.node(11).id]),
    )
    assert.ok(tookMs < 70_000, `${tookMs} ms`)
    await swarm.stop()
  })

  it('a node that comes back while the others pull is told again', async () => {
    const swarm = await mesh(5, () => ({ pullMs: 10_000 }))
    const order = swarm.node(0).order()
    await swarm.clock.advance(2_000)
    swarm.node(2).kill()
    await swarm.clock.advance(3_000)
    swarm.node(2).revive()
    await untilOver(swarm, order, 60_000)
    assert.deepEqual([outcomeOf(order).nodes.done, outcomeOf(order).isComplete], [5, true])
    await swarm.stop()
  })

  it('a node that joins while the others pull is told at the end', async () => {
    const swarm = await PrefetchSwarm.of(4)
    for (const index of [1, 2]) swarm.join(0, index)
    const order = swarm.node(0).order()
    await swarm.clock.advance(1_000)
    swarm.join(0, 3)
    await untilOver(swarm, order, 20_000)
    assert.deepEqual([outcomeOf(order).nodes.done, swarm.node(3).holds], [4, true])
    await swarm.stop()
  })

  it('the others finish what a starter began that is gone', async () => {
    const swarm = await mesh(20, () => ({ pullMs: 10_000 }))
    swarm.node(0).order()
    await swarm.clock.advance(2_000)
    swarm.node(0).kill()
    await swarm.clock.advance(20_000)
    assert.equal(holders(swarm).filter((node) => !node.isDead).length, 19)
    await swarm.stop()
  })

  it('nothing lasts longer than the time of the order, and who is late has failed', async () => {
    const swarm = await mesh(20, (index) => ({ pullMs: index % 5 === 4 ? 1e9 : 1_000 }))
    const order = swarm.node(0).order({ timeoutMs: 30_000 })
    const tookMs = await untilOver(swarm, order, 60_000)
    const { nodes, failures } = outcomeOf(order)
    assert.deepEqual([nodes.done, nodes.failed], [16, 4])
    assert.ok(failures.every(({ reason }) => reason === 'not done within the time of the order'))
    assert.ok(tookMs < 36_000, `${tookMs} ms`)
    await swarm.stop()
  })
})

describe('an order that is cancelled', () => {
  it('ends at all nodes', async () => {
    const swarm = await mesh(30, () => ({ pullMs: 60_000 }))
    const order = swarm.node(0).order()
    await swarm.clock.advance(3_000)
    order.leave()
    await swarm.clock.advance(2_000)
    assert.ok(order.isOver)
    assert.equal(swarm.nodes.filter((node) => node.cancelledCount > 0).length, 30)
    assert.equal(swarm.nodes.filter((node) => node.prefetcher.orders().some(({ isOver }) => !isOver)).length, 0)
    await swarm.stop()
  })

  it('ends also at those that have not said yet that they took it', async () => {
    const swarm = await mesh(5, () => ({ pullMs: 60_000 }))
    const order = swarm.node(0).order()
    // A dial is over after a millisecond, and the order arrives after another.
    while (swarm.nodes.filter((node) => node.prefetcher.orders().length > 0).length < 5) await swarm.clock.advance(0.25)
    order.leave()
    await swarm.clock.advance(2_000)
    assert.equal(swarm.nodes.filter((node) => node.prefetcher.orders().some(({ isOver }) => !isOver)).length, 0)
    await swarm.stop()
  })

  it('is not when its caller had let go of it, and its outcome can be seen later', async () => {
    const swarm = await mesh(10)
    const order = swarm.node(0).order({ isDetached: true })
    await untilOver(swarm, order, 1_000)
    assert.deepEqual(
      order.events.map(({ type }) => type),
      ['resolved'],
    )
    order.leave()
    await swarm.clock.advance(10_000)
    assert.equal(holders(swarm).length, 10)
    const [shown] = swarm.node(0).prefetcher.orders()
    assert.deepEqual([shown?.isOver, shown?.tally.nodes.done], [true, 10])
    await swarm.stop()
  })
})

describe('an order to some', () => {
  it('of a zone is fetched by those that stand in it, and passed on by the others', async () => {
    const swarm = await line(9, (index) => ({ zone: index % 3 === 0 ? 'a' : 'b' }))
    const order = swarm.node(1).order({ nodes: { zone: 'a' } })
    await untilOver(swarm, order, 10_000)
    const { nodes, isComplete } = outcomeOf(order)
    assert.deepEqual([nodes.done, nodes.relays, isComplete], [3, 6, true])
    assert.deepEqual(
      holders(swarm).map(({ name }) => name),
      ['node-0', 'node-3', 'node-6'],
    )
    await swarm.stop()
  })

  it('of a zone that nobody stands in is not complete', async () => {
    const swarm = await mesh(3, () => ({ zone: 'a' }))
    const order = swarm.node(0).order({ nodes: { zone: 'b' } })
    await untilOver(swarm, order, 10_000)
    assert.deepEqual([outcomeOf(order).nodes.relays, outcomeOf(order).isComplete], [3, false])
    await swarm.stop()
  })

  it('of a number is fetched by so many, the same ones the next time, the dead and trackers passed over', async () => {
    const swarm = await mesh(20, (index) => ({ role: index < 2 ? 'tracker' : 'agent' }))
    for (const index of [5, 6, 7]) swarm.node(index).kill()
    const first = swarm.node(0).order({ nodes: 6 })
    await untilOver(swarm, first, 30_000)
    assert.deepEqual([outcomeOf(first).nodes.done, outcomeOf(first).isComplete], [6, true])
    const chosen = holders(swarm)
    assert.equal(chosen.length, 6)
    await untilOver(swarm, swarm.node(10).order({ nodes: 6 }), 30_000)
    assert.deepEqual(holders(swarm), chosen)
    await swarm.stop()
  })

  it('of a number finds those that its starter does not know', async () => {
    const swarm = await line(12)
    const order = swarm.node(0).order({ nodes: 10 })
    await untilOver(swarm, order, 30_000)
    assert.deepEqual([outcomeOf(order).nodes.done, outcomeOf(order).isComplete], [10, true])
    await swarm.stop()
  })

  it('of more than there are is fetched by all, and is not complete', async () => {
    const swarm = await mesh(3)
    const order = swarm.node(0).order({ nodes: 5 })
    await untilOver(swarm, order, 30_000)
    const { nodes, missing, isComplete } = outcomeOf(order)
    assert.deepEqual([nodes.done, missing, isComplete], [3, 2, false])
    await swarm.stop()
  })
})
