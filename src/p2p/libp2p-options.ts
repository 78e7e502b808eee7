import { yamux } from '@chainsafe/libp2p-yamux'
import { type Identify, identify } from '@libp2p/identify'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import type { Libp2pOptions } from 'libp2p'
import type { ClusterKey } from './cluster-key.ts'
import type { Gatekeeper } from './gatekeeper.ts'
import type { Identity } from './identity.ts'
import { clusterNoise } from './noise.ts'
import { announceable } from './peer-address.ts'
import { keepCopies } from './record-values.ts'

const MINUTE_MS = 60_000

/** Own DHT, so that no node of another network is ever taken into it. */
const DHT_PROTOCOL = '/shoal/kad/1.0.0'

/**
 * Bucket size, and how many peers hold a record. Measured on 16 nodes: 16 messages and 114 ms of cluster CPU a provide,
 * against 30 and 215 with Kademlia's 20; eight holders of a record do not all leave between two reprovides.
 */
const DHT_BUCKET_SIZE = 8

/** Parallel requests and disjoint paths of a query, as measured together with the bucket size. */
const DHT_ALPHA = 3

/** Within an hour a dead agent's records are gone. The option called `providers.provideValidity` does nothing. */
const RECORD_VALIDITY_MS = 60 * MINUTE_MS

/** Our own records are repeated when less than this is left of them, so at two thirds of their life. */
const REPROVIDE_THRESHOLD_MS = 20 * MINUTE_MS

/** How often records are looked through: twice within the threshold, so one missed turn loses nothing. */
const REPROVIDE_INTERVAL_MS = 10 * MINUTE_MS

/** Reprovides at a time; they are never urgent. */
const REPROVIDE_CONCURRENCY = 2

/** A peer forgotten before its records makes every answer that names it fail, so peers outlive records by far. */
const PEER_AGE_FACTOR = 3

/** Longest part of the dial deadline that one address may use: one lost SYN (resent after 1 s) is survived. */
const ADDRESS_DIAL_SHARE = 2 / 3

/** Addresses tried for one peer; a node has a handful and a dial has seconds. */
const MAX_ADDRESSES_TO_DIAL = 8

/** A dial that has its place in the queue waits for others at most the dial deadline; more at once only fail later. */
const MAX_PARALLEL_DIALS = 64

/** Per second and remote host. The default of 5 refuses a rack behind one NAT, or 20 agents on one machine. */
const INBOUND_CONNECTIONS_PER_SECOND = 512

/** Handshakes of a whole cluster that starts at once; each takes under 15 ms of CPU. */
const MAX_PENDING_INBOUND = 256

/** A stranger may hold a pending slot for so long. */
const INBOUND_UPGRADE_TIMEOUT_MS = 5_000

/** Negotiating a protocol is a round trip; slower peers are too busy to help. */
const NEGOTIATION_TIMEOUT_MS = 5_000

/** Looks for connections that died without a word. */
const HEARTBEAT_INTERVAL_MS = 15_000

/** A heartbeat's patience. A loaded agent's event loop may lag by seconds; only a dead peer is silent for this long. */
const HEARTBEAT_TIMEOUT_MS = 10_000

/** Bounds what a stream whose reader is slow holds in memory; costs nothing on a LAN. */
const STREAM_WINDOW_BYTES = 1024 * 1024

/** Above the window, which by default it is not: then pausing a bulk stream for 15 ms resets it. */
const STREAM_READ_BUFFER_BYTES = 8 * 1024 * 1024

/** The heartbeat, the DHT's own checks and a measured ping may meet on one connection; the default is 2 in and 1 out. */
const MAX_PING_STREAMS = 8

/** How long this node's provider records live and how often they are repeated; for tests that cannot wait an hour. */
export interface RecordLife {
  readonly validityMs: number
  readonly thresholdMs: number
  readonly intervalMs: number
}

export interface Libp2pOptionsInit {
  readonly identity: Identity
  readonly clusterKey: ClusterKey | undefined
  readonly gatekeeper: Gatekeeper
  readonly listenAddresses: readonly string[]
  readonly announceAddresses: readonly string[]
  readonly maxConnections: number
  readonly dialTimeoutMs: number
  readonly recordLife?: RecordLife | undefined
}

/** What the node uses of libp2p's services. */
export type NodeServices = {
  identify: Identify
  ping: Ping
  dht: KadDHT
}

/**
 * The settings of one node. Makes a new object each time: createLibp2p writes into what it is given, and a second
 * node made from the same object would have the first one's identity.
 */
export function libp2pOptions(init: Libp2pOptionsInit): Libp2pOptions<NodeServices> {
  const recordLife = init.recordLife ?? DEFAULT_RECORD_LIFE
  const maxAgeMs = recordLife.validityMs * PEER_AGE_FACTOR
  return {
    start: false,
    privateKey: init.identity,
    nodeInfo: { name: 'shoal', userAgent: 'shoal' },
    addresses: {
      listen: [...init.listenAddresses],
      announce: [...init.announceAddresses],
      announceFilter: announceable,
    },
    transports: [tcp()],
    connectionEncrypters: [clusterNoise(init.clusterKey)],
    streamMuxers: [
      yamux({
        streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES, maxReadBufferLength: STREAM_READ_BUFFER_BYTES },
      }),
    ],
    connectionGater: init.gatekeeper.toConnectionGater(),
    connectionManager: connectionLimits(init),
    connectionMonitor: {
      pingInterval: HEARTBEAT_INTERVAL_MS,
      pingTimeout: { minTimeout: HEARTBEAT_TIMEOUT_MS },
    },
    // An address counts from when it was first heard, however often it is confirmed: any age would make live peers unreachable.
    peerStore: { maxAddressAge: Number.POSITIVE_INFINITY, maxPeerAge: maxAgeMs },
    services: {
      identify: identify(),
      ping: ping({ maxInboundStreams: MAX_PING_STREAMS, maxOutboundStreams: MAX_PING_STREAMS }),
      dht: createDht(recordLife),
    },
  }
}

const DEFAULT_RECORD_LIFE: RecordLife = {
  validityMs: RECORD_VALIDITY_MS,
  thresholdMs: REPROVIDE_THRESHOLD_MS,
  intervalMs: REPROVIDE_INTERVAL_MS,
}

function connectionLimits(init: Libp2pOptionsInit): NonNullable<Libp2pOptions['connectionManager']> {
  return {
    maxConnections: init.maxConnections,
    maxParallelDials: MAX_PARALLEL_DIALS,
    maxPeerAddrsToDial: MAX_ADDRESSES_TO_DIAL,
    dialTimeout: init.dialTimeoutMs,
    addressDialTimeout: Math.ceil(init.dialTimeoutMs * ADDRESS_DIAL_SHARE),
    inboundConnectionThreshold: INBOUND_CONNECTIONS_PER_SECOND,
    maxIncomingPendingConnections: MAX_PENDING_INBOUND,
    inboundUpgradeTimeout: INBOUND_UPGRADE_TIMEOUT_MS,
    inboundStreamProtocolNegotiationTimeout: NEGOTIATION_TIMEOUT_MS,
    outboundStreamProtocolNegotiationTimeout: NEGOTIATION_TIMEOUT_MS,
  }
}

/**
 * kad-dht for a private network: private addresses are kept and every node serves (by default the routing table stays
 * empty on 10.x), and a node without peers gets no answer at once instead of none until its deadline.
 */
function createDht(recordLife: RecordLife): ReturnType<typeof kadDHT> {
  const makeDht = kadDHT({
    protocol: DHT_PROTOCOL,
    peerInfoMapper: passthroughMapper,
    clientMode: false,
    allowQueryWithZeroPeers: true,
    kBucketSize: DHT_BUCKET_SIZE,
    alpha: DHT_ALPHA,
    disjointPaths: DHT_ALPHA,
    reprovide: {
      concurrency: REPROVIDE_CONCURRENCY,
      validity: recordLife.validityMs,
      threshold: recordLife.thresholdMs,
      interval: recordLife.intervalMs,
    },
  })
  return (components) => {
    keepCopies(components.datastore)
    return makeDht(components)
  }
}
