/**
 * Chunks to and from peers: follow what a peer has of a blob, ask it for chunks, serve those that ask us.
 * Promise: nobody is sent bytes it did not want; every wait has a deadline and every queue a bound; a chunk that comes has
 * the right number and length, but only its receiver can tell whether the bytes are right. A peer that breaks the protocol
 * is dropped and kept away for a growing time.
 * Owns: the exchange streams, the upload slots, and the memory of which peers broke the protocol.
 */
export type { ByteChannel, Carrier, ChannelReceiver } from './carrier.ts'
export {
  PeerBusyError,
  PeerClosedError,
  PeerLacksChunkError,
  PeerProtocolError,
  PeerStalledError,
} from './errors.ts'
export { Exchange, type ExchangeComponents, type ExchangeInit, type PeerSummary } from './exchange.ts'
export type { FollowEvents, Following, PeerLink, ReceivedChunk, RequestOptions } from './follow-events.ts'
export { EXCHANGE_PROTOCOL } from './libp2p-carrier.ts'
export type { ExchangeLimits } from './limits.ts'
export type { Urgency } from './messages.ts'
export type { PeerStreams, StreamLimits } from './peer-streams.ts'
export type { ExchangeTlsInit } from './tls-lanes.ts'
export type { ChunkSupply, Publisher, RemotePeer, Subscription, SuppliedChunk, SupplyBusy } from './ports.ts'
