/**
 * This process as a libp2p peer: its identity, the cluster key, connections and streams to other peers, and the DHT's
 * provider records.
 * Promise: whoever is at the other end of a connection has proven the cluster key and its PeerId, is admitted and not
 * banned; every wait has a deadline.
 * Owns: the connections, the peer store with everyone's addresses, the bans, the part of the DHT stored here. Nothing
 * of it is on disk but the two key files. The only importer of libp2p and its parts.
 */
export {
  ClusterKey,
  generateClusterKey,
  loadClusterKey,
  parseClusterKey,
  saveClusterKey,
} from './cluster-key.ts'
export {
  InvalidClusterKeyError,
  InvalidPeerError,
  KeyFileError,
  type KeyFileProblem,
  ListenError,
  PeerRefusedError,
  PeerUnreachableError,
  StreamRefusedError,
} from './errors.ts'
export {
  formatIdentity,
  generateIdentity,
  type Identity,
  loadIdentity,
  loadOrCreateIdentity,
  type PeerSigner,
  parseIdentity,
  peerIdOf,
  saveIdentity,
  signerOf,
} from './identity.ts'
export { createP2pNode } from './libp2p-node.ts'
export type { RecordLife } from './libp2p-options.ts'
export type { P2pNode, P2pNodeComponents, P2pNodeInit, StreamHandler, StreamLimits } from './p2p-node.ts'
export { isPeerId, parsePeerAddress } from './peer-address.ts'
export type { ProviderRecords } from './provider-records.ts'
export { peerIdOfCertificate, type TlsIdentity, tlsIdentityOf } from './tls-identity.ts'
