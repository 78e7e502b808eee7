import {
  type ClusterKey,
  createP2pNode,
  generateClusterKey,
  generateIdentity,
  type P2pNode,
  type P2pNodeInit,
} from '../../src/p2p/index.ts'
import { Metrics, silentLogger } from '../../src/telemetry/index.ts'

/** How far a swarm is joined when it is handed out: everyone with the first node, everyone with everyone, or not at all. */
export type SwarmShape = 'star' | 'mesh' | 'apart'

export interface SwarmOptions extends Partial<Omit<P2pNodeInit, 'identity'>> {
  readonly shape?: SwarmShape
}

/** Started nodes on loopback with one cluster key; disposing of it stops them all. */
export interface P2pSwarm extends AsyncDisposable {
  readonly nodes: readonly P2pNode[]
  readonly clusterKey: ClusterKey
}

/** Starts `count` nodes, by default each connected to the first one. */
export async function startP2pSwarm(count: number, options: SwarmOptions = {}): Promise<P2pSwarm> {
  const { shape = 'star', clusterKey = generateClusterKey(), ...init } = options
  const nodes = await Promise.all(Array.from({ length: count }, () => startP2pNode({ clusterKey, ...init })))
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()))
  }
  try {
    await join(nodes, shape)
  } catch (error) {
    await stop()
    throw error
  }
  return { nodes, clusterKey, [Symbol.asyncDispose]: stop }
}

/** Starts one node on a free port of the loopback address. */
export async function startP2pNode(init: Partial<P2pNodeInit> = {}): Promise<P2pNode> {
  const node = await createP2pNode(
    { identity: await generateIdentity(), listenAddresses: ['/ip4/127.0.0.1/tcp/0'], ...init },
    { logger: silentLogger(), metrics: new Metrics() },
  )
  await node.start()
  return node
}

/** Resolves once `isTrue` is, asking now and then; throws after `timeoutMs`. */
export async function eventually(isTrue: () => boolean | Promise<boolean>, timeoutMs = 5_000): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error(`still not so after ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function join(nodes: readonly P2pNode[], shape: SwarmShape): Promise<void> {
  if (shape === 'apart') return
  const hubs = shape === 'star' ? nodes.slice(0, 1) : nodes
  for (const [index, hub] of hubs.entries()) {
    const peer = { id: hub.peerId, addresses: hub.addresses() }
    await Promise.all(nodes.slice(index + 1).map((node) => node.connect(peer)))
  }
}
