import type { Stream } from '@libp2p/interface'
import type { AbortOptions, PeerRef } from '../core/index.ts'

/** Bounds on the streams of one protocol on one connection. */
export interface StreamLimits {
  readonly maxInboundStreams: number
  readonly maxOutboundStreams: number
}

/** What the exchange needs of the libp2p node. */
export interface PeerStreams {
  readonly peerId: string
  /** Connects, or does nothing when connected. */
  connect(peer: PeerRef, options: AbortOptions): Promise<unknown>
  openStream(peerId: string, protocol: string, options: AbortOptions): Promise<Stream>
  handle(protocol: string, onStream: (stream: Stream, peerId: string) => void, limits: StreamLimits): Promise<unknown>
  unhandle(protocol: string): Promise<unknown>
  /** Calls back when the last connection to a peer is gone; returns what takes the listener away. */
  onPeerDisconnected(listener: (peerId: string) => void): () => void
  /** Whether there is a live connection, which only admitted peers have. */
  isConnected(peerId: string): boolean
  /** IP addresses and DNS names at which a connected peer may be reached, the best first. */
  hostsOf(peerId: string): Promise<readonly string[]>
  /** Multiaddrs at which a peer can be reached by others. */
  addressesOf(peerId: string): Promise<readonly string[]>
  /** Ends all connections to the peer and refuses new ones for that long. */
  ban(peerId: string, durationMs: number): unknown
}
