import type { Stream } from '@libp2p/interface'
import type { AbortOptions, Clock, PeerRef } from '../core/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import type { ClusterKey } from './cluster-key.ts'
import type { Identity } from './identity.ts'
import type { RecordLife } from './libp2p-options.ts'
import type { ProviderRecords } from './provider-records.ts'

export interface P2pNodeInit {
  readonly identity: Identity
  /** Only peers with the same key can connect. Without one anybody can: for tests and trusted networks. */
  readonly clusterKey?: ClusterKey | undefined
  /** Multiaddrs to listen on, such as `/ip4/0.0.0.0/tcp/4001`. */
  readonly listenAddresses: readonly string[]
  /** Multiaddrs told to others instead of the ones listened on. */
  readonly announceAddresses?: readonly string[] | undefined
  readonly maxConnections?: number | undefined
  readonly dialTimeoutMs?: number | undefined
  /** Which PeerIds may connect, besides having the cluster key. Asked again for every connection. */
  readonly admit?: ((peerId: string) => boolean) | undefined
  readonly recordLife?: RecordLife | undefined
}

export interface P2pNodeComponents {
  readonly logger: Logger
  readonly metrics: Metrics
  readonly clock?: Clock | undefined
}

/** How many streams of one protocol one connection may have. */
export interface StreamLimits extends AbortOptions {
  readonly maxInboundStreams: number
  readonly maxOutboundStreams: number
}

/** Takes a stream that the peer `peerId`, whose identity is proven, has opened. Its failures only end the stream. */
export type StreamHandler = (stream: Stream, peerId: string) => void | Promise<void>

/** This process as a peer: authenticated, encrypted, multiplexed connections to other peers, and the DHT over them. */
export interface P2pNode {
  readonly peerId: string
  readonly providers: ProviderRecords
  /** Opens the listeners; throws a ListenError. */
  start(): Promise<void>
  /** Closes listeners and connections, within seconds whatever the peers do. */
  stop(): Promise<void>
  /** The multiaddrs at which others can reach us, each ending in our PeerId. */
  addresses(): readonly string[]
  /**
   * Connects, or does nothing when connected. Remembers the peer's addresses also when it fails. Throws a
   * PeerUnreachableError after the dial timeout at the latest, a PeerRefusedError, or an InvalidPeerError.
   */
  connect(peer: PeerRef, options?: AbortOptions): Promise<void>
  /** Ends all connections to the peer at once. */
  disconnect(peerId: string): void
  isConnected(peerId: string): boolean
  /** PeerIds of all peers with a connection. */
  connectedPeers(): readonly string[]
  /** Multiaddrs at which the peer said it can be reached; none when it is unknown. */
  addressesOf(peerId: string): Promise<readonly string[]>
  /**
   * IP addresses and DNS names at which the peer may be reached, the best first: where we dialled it, where it came from,
   * and where it says it is.
   */
  hostsOf(peerId: string): Promise<readonly string[]>
  /** Opens a stream, dialling a known peer that is not connected. Throws a StreamRefusedError or what `connect` throws. */
  openStream(peerId: string, protocol: string, options?: AbortOptions): Promise<Stream>
  /** Serves `protocol` to all peers. */
  handle(protocol: string, handler: StreamHandler, limits: StreamLimits): Promise<void>
  unhandle(protocol: string): Promise<void>
  /** Calls back on a peer's first connection; returns what takes the listener away. */
  onPeerConnected(listener: (peerId: string) => void): () => void
  /** Calls back when a peer's last connection is gone; returns what takes the listener away. */
  onPeerDisconnected(listener: (peerId: string) => void): () => void
  /** Ends all connections to the peer and neither makes nor takes one for `durationMs`. */
  ban(peerId: string, durationMs: number): void
  isBanned(peerId: string): boolean
  /** Keeps the peer's connection when there are too many. */
  protect(peerId: string): Promise<void>
  /** Asks the DHT for the peers nearest to us, which puts those it meets into the routing table. */
  lookAround(options?: AbortOptions): Promise<void>
  /** Round trip time to the peer in milliseconds. */
  ping(peerId: string, options?: AbortOptions): Promise<number>
}
