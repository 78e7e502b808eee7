import {
  Exchange,
  type ExchangeComponents,
  type ExchangeInit,
  type ExchangeTlsInit,
  type PeerStreams,
} from '../../src/exchange/index.ts'
import { systemClock } from '../../src/core/index.ts'
import {
  generateClusterKey,
  generateIdentity,
  type Identity,
  type P2pNode,
  type TlsIdentity,
  tlsIdentityOf,
} from '../../src/p2p/index.ts'
import { Metrics, silentLogger } from '../../src/telemetry/index.ts'
import type { Bandwidth } from '../../src/util/index.ts'
import { type TestBlob, TestSupply, testBlob } from './exchange-bench.ts'
import { startP2pNode } from './p2p-swarm.ts'

/** One node with its exchange. */
export interface ExchangeNode {
  readonly node: P2pNode
  readonly exchange: Exchange
  readonly supply: TestSupply
  readonly metrics: Metrics
  readonly tlsIdentity: TlsIdentity
  /** What the exchange was made with, for one that takes its place. */
  readonly components: ExchangeComponents
}

export interface ExchangeSwarm extends AsyncDisposable {
  readonly blob: TestBlob
  readonly nodes: readonly ExchangeNode[]
}

/** What the exchanges of a swarm are made with. */
export interface ExchangeSwarmInit extends Partial<Omit<ExchangeInit, 'tls'>> {
  /** Lanes over TLS at a free port of the loopback address, with this changed; `false`: libp2p streams only. */
  readonly tls?: Partial<ExchangeTlsInit> | false
  /** What each of the nodes may send. */
  readonly uploadBandwidth?: Bandwidth
  /** Replaces what the others' hosts are taken to be. */
  readonly hosts?: readonly string[]
}

/** Nodes on loopback that all supply the same blob; the first is a tracker. */
export async function startExchangeSwarm(
  count: number,
  sizeBytes: number,
  init: ExchangeSwarmInit = {},
): Promise<ExchangeSwarm> {
  const clusterKey = generateClusterKey()
  const identities = await Promise.all(Array.from({ length: count }, () => generateIdentity()))
  const swarm = await Promise.all(identities.map((identity) => startP2pNode({ identity, clusterKey })))
  const blob = testBlob(sizeBytes)
  const nodes = swarm.map((node, index) => {
    const supply = new TestSupply(blob)
    const metrics = new Metrics()
    const streams = streamsOf(node, init.hosts)
    const role = index === 0 ? 'tracker' : 'agent'
    const tlsIdentity = tlsIdentityOf(identities[index] as Identity)
    const { uploadBandwidth } = init
    const components = { streams, supply, clock: systemClock, logger: silentLogger(), metrics, uploadBandwidth }
    const exchange = new Exchange(
      {
        role,
        zone: `rack ${index}`,
        uploadSlots: 16,
        maxLanesPerPeer: 4,
        ...init,
        tls: tlsInitOf(tlsIdentity, init.tls ?? {}),
      },
      components,
    )
    return { node, exchange, supply, metrics, tlsIdentity, components }
  })
  await Promise.all(nodes.map(({ exchange }) => exchange.start()))
  const stop = async () => {
    await Promise.all(nodes.map(({ exchange }) => exchange.stop()))
    await Promise.all(swarm.map((node) => node.stop()))
  }
  return { blob, nodes, [Symbol.asyncDispose]: stop }
}

/** What the exchange sees of a node, with other hosts of its peers. */
function streamsOf(node: P2pNode, hosts: readonly string[] | undefined): PeerStreams {
  if (hosts === undefined) return node
  return {
    peerId: node.peerId,
    connect: async (peer, options) => await node.connect(peer, options),
    openStream: async (peerId, protocol, options) => await node.openStream(peerId, protocol, options),
    handle: async (protocol, onStream, limits) => await node.handle(protocol, onStream, limits),
    unhandle: async (protocol) => await node.unhandle(protocol),
    onPeerDisconnected: (listener) => node.onPeerDisconnected(listener),
    isConnected: (peerId) => node.isConnected(peerId),
    hostsOf: async () => hosts,
    addressesOf: async (peerId) => await node.addressesOf(peerId),
    ban: (peerId, durationMs) => node.ban(peerId, durationMs),
  }
}

function tlsInitOf(identity: TlsIdentity, init: Partial<ExchangeTlsInit> | false): ExchangeTlsInit | undefined {
  if (init === false) return undefined
  return { identity, listen: { host: '127.0.0.1', port: 0 }, isPreferred: true, ...init }
}

/** How another node reaches this one. */
export function peerRefOf({ node }: ExchangeNode) {
  return { id: node.peerId, addresses: node.addresses() }
}
