/** The version of the protocol that this side speaks. */
export const PROTOCOL_VERSION = 1

/** Bytes of the largest bitfield: 4096 chunks, the most that a layout makes, and twice that for layouts to come. */
export const MAX_BITFIELD_BYTES = 1024

/** Chunks in one `have`: 1024 digests take 37 KiB of the 64 KiB of a header. */
export const MAX_HAVE_CHUNKS = 1024

/** Blobs in one `announce`: 1024 digests take 34 KiB of the 64 KiB of a header. */
export const MAX_ANNOUNCED_PER_MESSAGE = 1024

/** Peers in one message: 32 of 8 addresses of 128 characters take 37 KiB of the 64 KiB of a header. */
export const MAX_PEERS_PER_MESSAGE = 32

/** Addresses of one peer: a node has a handful, and dialling more takes longer than asking another peer. */
export const MAX_ADDRESSES_PER_PEER = 8

/** Characters of one multiaddr: a DNS name of 63 characters with port and PeerId has 130; longer ones are not dialled. */
export const MAX_ADDRESS_CHARS = 144

/** Characters of a PeerId, zone, namespace or repository: the distribution specification stops at 255 for host and repository together. */
export const MAX_NAME_CHARS = 256

/** Longest bearer token passed on: the largest registries' tokens take some 4,000 characters. */
export const MAX_AUTHORIZATION_CHARS = 8_192

/** The last TCP port (RFC 9293 section 3.1). */
export const MAX_PORT = 65_535

/** Places one blob is said to be at; the first that answers is enough. */
export const MAX_ORIGINS_PER_FOLLOW = 16

/** The longest wait that a `busy` is believed: after half a minute load has changed anyway. */
export const MAX_BUSY_WAIT_MS = 30_000

/** Bounds and deadlines of the exchange; every one can be set. */
export interface ExchangeLimits {
  /** Chunk wants of this process that may wait for a lane to one peer. */
  readonly maxQueuedPerPeer: number
  /** Data lanes a peer may have open to us. */
  readonly maxInboundLanesPerPeer: number
  /** Blobs a peer may follow here at a time. */
  readonly maxFollowsPerPeer: number
  /** Blobs a peer may announce as held. */
  readonly maxAnnouncedPerPeer: number
  /** Control messages a peer may send in a second, with a burst of ten times that. */
  readonly controlMessagesPerSecond: number
  /** Wants that may wait for an upload slot, over all peers. */
  readonly maxWaitingUploads: number
  /** The longest that a want waits for an upload slot before it is told `busy`. */
  readonly maxUploadWaitMs: number
  /** From asking for a link to having it, dialling included. */
  readonly connectTimeoutMs: number
  /** From opening a control stream to the publisher's hello. */
  readonly helloTimeoutMs: number
  /** From sending a want to the header of its answer. */
  readonly responseTimeoutMs: number
  /** The same for a want of any chunk, which may wait at a tracker until one is there. */
  readonly anyResponseTimeoutMs: number
  /** The longest pause between two bytes of a chunk. */
  readonly stallTimeoutMs: number
  /** From asking for a chunk to having it, all waits included. */
  readonly requestTimeoutMs: number
  /** From cancelling a want to the lane being free again. */
  readonly cancelTimeoutMs: number
  /** From asking for a data lane to taking a libp2p stream for it, while TLS goes on. */
  readonly tlsPatienceMs: number
  /** The same where something of ours to the peer goes over TLS already. */
  readonly tlsUpPatienceMs: number
  /** From the hello on a libp2p stream to leaving the control stream there until nothing is followed. */
  readonly tlsControlPatienceMs: number
  /** From connecting to a bulk port to giving it up. */
  readonly tlsOpenTimeoutMs: number
  /** Attempts at bulk ports under way, in all and at one peer's. */
  readonly maxTlsAttempts: number
  readonly maxTlsAttemptsPerPeer: number
  /** From accepting a TLS socket to the end of its handshake. */
  readonly tlsHandshakeTimeoutMs: number
  /** Handshakes under way with those who open lanes to us, in all and from one host. */
  readonly maxTlsHandshakes: number
  readonly maxTlsHandshakesPerHost: number
  /** How long a bulk port that could not be reached is left alone; each time twice as long. */
  readonly firstTlsRestMs: number
  readonly maxTlsRestMs: number
  /** From asking for a chunk map to having it. */
  readonly mapTimeoutMs: number
  /** The slowest reader that is served a chunk, in bytes per second, after a grace of `sendGraceMs`. */
  readonly minSendBytesPerSecond: number
  readonly sendGraceMs: number
  /** The supply's time to produce a chunk that was asked for. */
  readonly readTimeoutMs: number
  /** A lane of ours without a want is closed after this; one of theirs after three times this. */
  readonly laneIdleMs: number
  /** How long news of chunks are held back to be told together. */
  readonly coalesceMs: number
  /** The first ban of a peer that broke the protocol; each further one is twice as long. */
  readonly firstBanMs: number
  readonly maxBanMs: number
}

/** Settings for a cluster network; each with the reason for its number. */
export const DEFAULT_LIMITS: ExchangeLimits = {
  // A scheduler keeps a pipeline of a few chunks per peer; this is a runaway's bound.
  maxQueuedPerPeer: 128,
  // Twice what one agent opens, since lanes being closed overlap with their successors.
  maxInboundLanesPerPeer: 8,
  // A node pulls tens of layers at a time; a tracker with many blobs in flight still sees only those of one node.
  maxFollowsPerPeer: 1024,
  // Layers on a node with a full disk: ten thousand of the median 10 MB are 100 GB.
  maxAnnouncedPerPeer: 20_000,
  // Following a layer, its map and leaving it are three messages: 160 layers a second, 1600 at once.
  controlMessagesPerSecond: 500,
  // Waiting wants hold no bytes; half a thousand is a wave of 128 agents with four lanes each.
  maxWaitingUploads: 512,
  // A chunk of 1 MiB among four takes 336 ms at 100 Mbit/s: one that waits for the next free slot keeps the uplink busy,
  // and a want told to come again costs more than one that waits.
  maxUploadWaitMs: 400,
  // Several addresses may be tried, each with a handshake of a few round trips.
  connectTimeoutMs: 10_000,
  // One round trip and the load of a busy process.
  helloTimeoutMs: 5_000,
  // Waiting for a slot (0.5 s), reading the disk, one round trip; the scheduler hedges long before.
  responseTimeoutMs: 5_000,
  // The origin may take this long to bring the next chunk.
  anyResponseTimeoutMs: 30_000,
  // A peer whose bytes stop for this long is dead or swamped.
  stallTimeoutMs: 5_000,
  // A chunk of 1 MiB on a link of 1 MB/s shared by 16 takes 16 s.
  requestTimeoutMs: 60_000,
  // A cancelled want is answered within one round trip.
  cancelTimeoutMs: 2_000,
  mapTimeoutMs: 5_000,
  // Two round trips and 1.2 ms of CPU at each end, with much room; with a stream after that a want waits for less than 0.5 s.
  tlsPatienceMs: 300,
  // The port is open, so the processors are busy; bytes on a stream would take four times as much of them.
  tlsUpPatienceMs: 2_000,
  // Everything else waits for it, and on busy processors it takes a second: then is the wrong time.
  tlsControlPatienceMs: 250,
  // Nobody waits for it: two lost SYNs (resent after 1 s and 3 s) and a pull that takes all CPU are survived.
  tlsOpenTimeoutMs: 6_000,
  // One file descriptor each; as many as handshakes that we take from others.
  maxTlsAttempts: 256,
  // Twice the lanes of a link, since those of one that ends overlap with its successor's.
  maxTlsAttemptsPerPeer: 8,
  // Longer than `tlsOpenTimeoutMs` of the others, so that they say when it is over.
  tlsHandshakeTimeoutMs: 8_000,
  // Each takes 1.2 ms of CPU; whoever finds no place uses a libp2p stream.
  maxTlsHandshakes: 256,
  // A few agents behind one address, with four lanes each.
  maxTlsHandshakesPerHost: 64,
  // A port that is filtered stays so; one that was swamped for a moment is back within one pull.
  firstTlsRestMs: 15_000,
  maxTlsRestMs: 300_000,
  // 1 MiB in 21 s: below that a reader costs more slots than it gains bytes.
  minSendBytesPerSecond: 64 * 1024,
  sendGraceMs: 5_000,
  readTimeoutMs: 5_000,
  // Layers of one pull follow each other within seconds; an open lane costs a few kilobytes on both ends.
  laneIdleMs: 30_000,
  // Chunks of 1 MiB come every 1 to 10 ms; a message for each would cost more than it tells.
  coalesceMs: 5,
  firstBanMs: 60_000,
  maxBanMs: 3_600_000,
}
