import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { systemClock } from '../../../src/core/index.ts'
import type { P2pNode } from '../../../src/p2p/index.ts'
import { Libp2pNetwork, Prefetcher, type PrefetchEvent, prefetch } from '../../../src/prefetch/index.ts'
import { Metrics, silentLogger } from '../../../src/telemetry/index.ts'
import { eventually, startP2pSwarm } from '../../support/p2p-swarm.ts'
import { heldImages, REFERENCE } from '../../support/prefetch-swarm.ts'

const limit = { timeout: 40_000 }

/** Nodes on loopback that prefetch; the first is connected to all, the others to it alone. */
async function startSwarm(count: number, pullMs: number) {
  const swarm = await startP2pSwarm(count, { dialTimeoutMs: 20_000 })
  const members = swarm.nodes.map((node, index) => memberOf(node, index, pullMs))
  for (const { prefetcher } of members) await prefetcher.start()
  await eventually(() => swarm.nodes[0]?.connectedPeers().length === count - 1, 10_000)
  return {
    members,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(members.map(async ({ prefetcher }) => await prefetcher.stop()))
      await swarm[Symbol.asyncDispose]()
    },
  }
}

function memberOf(node: P2pNode, index: number, pullMs: number) {
  const { images, held } = heldImages(systemClock, pullMs)
  const prefetcher = new Prefetcher(
    { role: 'agent', zone: '', name: `node-${index}` },
    {
      network: new Libp2pNetwork(node),
      images,
      isTracker: () => false,
      clock: systemClock,
      random: Math.random,
      logger: silentLogger(),
      metrics: new Metrics(),
    },
  )
  return { node, prefetcher, images, held }
}

async function order(member: ReturnType<typeof memberOf>, signal?: AbortSignal): Promise<PrefetchEvent[]> {
  const { prefetcher, images } = member
  const request = { reference: REFERENCE, nodes: 'all' as const, timeoutMs: 60_000, isDetached: false }
  const events: PrefetchEvent[] = []
  for await (const event of prefetch(request, { prefetcher, images, clock: systemClock }, { signal }))
    events.push(event)
  return events
}

function outcomeOf(events: readonly PrefetchEvent[]) {
  const last = events.at(-1)
  assert.ok(last?.type === 'done')
  return last
}

describe('prefetching over libp2p', () => {
  it('reaches those that are known to another only', limit, async () => {
    await using swarm = await startSwarm(7, 300)
    const starter = swarm.members[6]
    assert.ok(starter)
    assert.deepEqual(starter.node.connectedPeers().length, 1)
    const { nodes, isComplete } = outcomeOf(await order(starter))
    assert.deepEqual([nodes.done, isComplete], [7, true])
    assert.ok(swarm.members.every(({ held }) => held.size > 0))
  })

  it('tells those behind a node anew that stops, and names it', limit, async () => {
    await using swarm = await startSwarm(6, 6_000)
    const [relay, , , , , starter] = swarm.members
    assert.ok(relay !== undefined && starter !== undefined)
    const running = order(starter)
    await eventually(() => swarm.members.every(({ prefetcher }) => prefetcher.orders().length === 1), 10_000)
    // What it has told has been said by then.
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    await relay.node.stop()
    const { nodes, failures } = outcomeOf(await running)
    assert.deepEqual([nodes.done, nodes.unreachable, failures[0]?.name], [5, 1, 'node-0'])
  })

  it('ends everywhere when its caller leaves', limit, async () => {
    await using swarm = await startSwarm(4, 30_000)
    const [starter] = swarm.members
    assert.ok(starter)
    const leaving = new AbortController()
    const running = assert.rejects(order(starter, leaving.signal))
    await eventually(() => swarm.members.every(({ prefetcher }) => prefetcher.orders().length === 1), 10_000)
    leaving.abort()
    await running
    const areOver = () => swarm.members.every(({ prefetcher }) => prefetcher.orders().every(({ isOver }) => isOver))
    await eventually(areOver, 20_000)
    assert.ok(swarm.members.every(({ held }) => held.size === 0))
  })
})
