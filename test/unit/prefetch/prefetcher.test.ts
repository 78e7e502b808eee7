import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, it } from 'node:test'
import type { Answer } from '../../../src/prefetch/messages.ts'
import type { Order } from '../../../src/prefetch/order.ts'
import type { AskingChannel } from '../../../src/prefetch/ports.ts'
import { IMAGE, type FakeNode, PrefetchSwarm } from '../../support/prefetch-swarm.ts'

function orderWith(change: Partial<Order> = {}): Order {
  return {
    id: randomUUID(),
    image: IMAGE,
    target: { kind: 'all' },
    hops: 3,
    timeoutMs: 60_000,
    path: [],
    members: [],
    covered: [],
    isAgain: false,
    ...change,
  }
}

/** Gives `to` an order as `from` would pass it on; gathers what it answers. */
async function give(swarm: PrefetchSwarm, from: FakeNode, to: FakeNode, order: Order) {
  const answers: Answer[] = []
  const opening = from.network.open({ id: to.id, addresses: [] }, {})
  await swarm.clock.advance(5)
  const channel = await opening
  void gather(channel, answers)
  await channel.send({ kind: 'order', ...order }, {})
  await swarm.clock.advance(5)
  return { channel, answers, last: () => answers.at(-1) }
}

async function gather(channel: AskingChannel, into: Answer[]): Promise<void> {
  try {
    for (;;) into.push(await channel.receive({}))
  } catch {
    // It has ended.
  }
}

describe('an order that a peer sends', () => {
  it('is taken once: the second time it is elsewhere, and also when it has ended', async () => {
    const swarm = await PrefetchSwarm.of(3)
    const [a, b, c] = [swarm.node(0), swarm.node(1), swarm.node(2)]
    const order = orderWith()
    const first = await give(swarm, a, b, order)
    assert.deepEqual(first.answers[0], { kind: 'accepted', name: 'node-1', isMeant: true })
    assert.equal((await give(swarm, c, b, order)).last()?.kind, 'elsewhere')
    await swarm.clock.advance(5_000)
    const end = first.last()
    assert.ok(end?.kind === 'report' && end.isFinal && end.tally.nodes.done === 1)
    assert.equal((await give(swarm, c, b, order)).last()?.kind, 'elsewhere')
    await swarm.stop()
  })

  it('goes no further when it may take no more steps, and says whom it does not reach', async () => {
    const swarm = await PrefetchSwarm.of(3)
    swarm.join(1, 2)
    const order = orderWith({ hops: 0, members: [{ id: swarm.node(2).id, addresses: [] }] })
    const given = await give(swarm, swarm.node(0), swarm.node(1), order)
    await swarm.clock.advance(5_000)
    const end = given.last()
    assert.ok(end?.kind === 'report' && end.isFinal)
    assert.deepEqual([end.tally.nodes.done, end.tally.unreached[0]?.peer], [1, swarm.node(2).id])
    assert.match(end.tally.unreached[0]?.reason ?? '', /too far/)
    assert.equal(swarm.node(2).holds, false)
    await swarm.stop()
  })

  it('does not come back to where it came through', async () => {
    const swarm = await PrefetchSwarm.of(2)
    const order = orderWith({ path: [swarm.node(1).id] })
    assert.equal((await give(swarm, swarm.node(0), swarm.node(1), order)).last()?.kind, 'elsewhere')
    await swarm.stop()
  })

  it('moves to another listener when the one before is gone, silent, or comes anew, and not else', async () => {
    const swarm = await PrefetchSwarm.of(4, () => ({ pullMs: 60_000 }))
    const [a, b, c, d] = [swarm.node(0), swarm.node(1), swarm.node(2), swarm.node(3)]
    const order = orderWith({ timeoutMs: 300_000 })
    const kindFor = async (from: FakeNode, isAgain = false) =>
      (await give(swarm, from, d, { ...order, isAgain })).answers[0]?.kind
    const first = await give(swarm, a, d, order)
    assert.equal(first.answers[0]?.kind, 'accepted')
    assert.deepEqual([await kindFor(a), await kindFor(b, true)], ['elsewhere', 'elsewhere'])

    const again = await give(swarm, a, d, { ...order, isAgain: true })
    assert.equal(again.answers[0]?.kind, 'accepted')
    again.channel.abort(new Error('reset'))
    await swarm.clock.advance(10)
    assert.equal(await kindFor(b), 'accepted')
    assert.equal(await kindFor(c), 'elsewhere')

    // Nobody has said that it heard a report.
    await swarm.clock.advance(20_000)
    const last = await give(swarm, c, d, order)
    assert.equal(last.answers[0]?.kind, 'accepted')
    await swarm.stop()
  })

  it('is kept after its end for whoever is sent in the place of a lost listener', async () => {
    const swarm = await PrefetchSwarm.of(3)
    const order = orderWith()
    const first = await give(swarm, swarm.node(0), swarm.node(2), order)
    first.channel.abort(new Error('reset'))
    await swarm.clock.advance(5_000)
    const second = await give(swarm, swarm.node(1), swarm.node(2), order)
    const end = second.last()
    assert.ok(end?.kind === 'report' && end.isFinal && end.tally.nodes.done === 1)
    await swarm.stop()
  })

  it('is refused when there are too many of one peer, or in all', async () => {
    const swarm = await PrefetchSwarm.of(4, () => ({ pullMs: 60_000 }))
    const to = swarm.node(3)
    const kinds = async (from: number, count: number) => {
      const kindsSeen: (string | undefined)[] = []
      for (let sent = 0; sent < count; sent++)
        kindsSeen.push((await give(swarm, swarm.node(from), to, orderWith())).answers[0]?.kind)
      return kindsSeen.filter((kind) => kind === 'accepted').length
    }
    assert.equal(await kinds(0, 10), 8)
    assert.equal(await kinds(1, 10), 8)
    assert.equal(await kinds(2, 2), 0)
    const own = to.order()
    await swarm.clock.advance(100)
    assert.match(String(own.failure), /too many prefetches/)
    assert.equal(to.openCount, 2 * 2, 'two images at once, of two blobs each')
    await swarm.stop()
  })

  it('for a registry that is not configured fails there, and is passed on', async () => {
    const swarm = await PrefetchSwarm.of(2)
    const order = orderWith({ image: { ...IMAGE, namespace: 'elsewhere.test' } })
    const given = await give(swarm, swarm.node(0), swarm.node(1), order)
    await swarm.clock.advance(2_000)
    const end = given.last()
    assert.ok(end?.kind === 'report' && end.isFinal)
    assert.match(end.tally.failures[0]?.reason ?? '', /elsewhere\.test is not among the configured registries/)
    await swarm.stop()
  })
})
