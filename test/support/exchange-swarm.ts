import { Exchange, type ExchangeInit, type PeerStreams } from '../../src/exchange/index.ts'
import { systemClock } from '../../src/core/index.ts'
import type { P2pNode } from '../../src/p2p/index.ts'
import { Metrics, silentLogger } from '../../src/telemetry/index.ts'
import { type TestBlob, TestSupply, testBlob } from './exchange-bench.ts'
import { startP2pSwarm } from './p2p-swarm.ts'

/** One node with its exchange. */
export interface ExchangeNode {
  readonly node: P2pNode
  readonly exchange: Exchange
  readonly supply: TestSupply
  readonly metrics: Metrics
}

export interface ExchangeSwarm extends AsyncDisposable {
  readonly blob: TestBlob
  readonly nodes: readonly ExchangeNode[]
}

/** Nodes on loopback that all supply the same blob; the first is a tracker. */
export async function startExchangeSwarm(
  count: number,
  sizeBytes: number,
  init: Partial<ExchangeInit> = {},
): Promise<ExchangeSwarm> {
  const swarm = await startP2pSwarm(count, { shape: 'apart' })
  const blob = testBlob(sizeBytes)
  const nodes = swarm.nodes.map((node, index) => {
    const supply = new TestSupply(blob)
    const metrics = new Metrics()
    const streams: PeerStreams = node
    const exchange = new Exchange(
      { role: index === 0 ? 'tracker' : 'agent', zone: `rack ${index}`, uploadSlots: 16, maxLanesPerPeer: 4, ...init },
      { streams, supply, clock: systemClock, logger: silentLogger(), metrics },
    )
    return { node, exchange, supply, metrics }
  })
  await Promise.all(nodes.map(({ exchange }) => exchange.start()))
  const stop = async () => {
    await Promise.all(nodes.map(({ exchange }) => exchange.stop()))
    await swarm[Symbol.asyncDispose]()
  }
  return { blob, nodes, [Symbol.asyncDispose]: stop }
}

/** How another node reaches this one. */
export function peerRefOf({ node }: ExchangeNode) {
  return { id: node.peerId, addresses: node.addresses() }
}
