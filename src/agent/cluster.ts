import type { Config } from '../config/index.ts'
import type { ExchangeInit } from '../exchange/index.ts'
import {
  type ClusterKey,
  type Identity,
  loadClusterKey,
  type P2pNodeInit,
  parseClusterKey,
  peerIdOf,
  tlsIdentityOf,
} from '../p2p/index.ts'

/** Data lanes to one peer: enough to hide a round trip between chunks, as measured with two to four streams. */
const LANES_PER_PEER = 4

/** The libp2p node's settings: our identity, the key that admits to the cluster, and who else may be let in. */
export async function p2pInit(config: Config, identity: Identity): Promise<P2pNodeInit> {
  const { listen, announce, maxConnections, admittedPeers } = config.p2p
  const admitted = new Set([...admittedPeers, ...config.trackers.map(({ id }) => id)])
  return {
    identity,
    clusterKey: await clusterKeyOf(config),
    listenAddresses: listen,
    announceAddresses: announce,
    maxConnections,
    admit: admittedPeers.length === 0 ? undefined : (peerId) => admitted.has(peerId),
  }
}

/** What the chunk exchange is told of itself; its TLS certificate is the identity in another form. */
export function exchangeInit({ role, zone, exchange }: Config, identity: Identity): ExchangeInit {
  const { uploadSlots, listen, carrier } = exchange
  const tls = { identity: tlsIdentityOf(identity), listen, isPreferred: carrier === 'tls' }
  return { role, zone, uploadSlots, maxLanesPerPeer: LANES_PER_PEER, tls }
}

/** Trackers and configured peers, each address ending in its PeerId. */
export function bootstrapAddresses(config: Config): string[] {
  return [...config.trackers, ...config.p2p.bootstrap].flatMap(({ id, addresses }) =>
    addresses.map((address) => (address.endsWith(`/p2p/${id}`) ? address : `${address}/p2p/${id}`)),
  )
}

/** Whose chunk maps count on their own: the pinned trackers', and a tracker's own. */
export function trustedSigners(config: Config, identity: Identity): (signer: string) => boolean {
  const trusted = new Set(config.trackers.map(({ id }) => id))
  if (config.role === 'tracker') trusted.add(peerIdOf(identity))
  return (signer) => trusted.has(signer)
}

async function clusterKeyOf({ cluster }: Config): Promise<ClusterKey> {
  return cluster.key === undefined ? await loadClusterKey(cluster.keyFile) : parseClusterKey(cluster.key)
}
