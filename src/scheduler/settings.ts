/** Numbers the download policies are tuned by; the composition overrides what configuration names. */
export interface SchedulerSettings {
  /** Chunks asked of one peer at once: one per data lane, so that a lane never idles for a round trip. */
  readonly depthPerPeer: number
  /** Chunks in flight in one download; bounds its memory to this many chunk buffers. */
  readonly inFlightPerDownload: number
  /** Bytes in flight over all downloads: the memory that unwritten chunks may take. */
  readonly inFlightBytes: number
  /** Agents followed for one blob; a random subset of a large swarm is enough for rarest first to work. */
  readonly followedPeers: number
  /** Candidates remembered beyond those followed, to replace the ones that leave. */
  readonly candidatePeers: number
  /** How far ahead of a reader of an open-ended range to fetch: the client may stop at any byte. */
  readonly openWindowBytes: number
  /** Most bytes fetched ahead of one who asks for one range after the other; 0 fetches only what was asked for. */
  readonly readAheadBytes: number
  /** How far ahead of a reader chunks come in order before rarest first takes over. */
  readonly pullWindowBytes: number
  /** How long a fresh download waits for peers to be named before it goes to the origin alone. */
  readonly discoveryBudgetMs: number
  /** How long a fresh download waits for a tracker that neither answers nor refuses, before it does without. */
  readonly trackerPatienceMs: number
  /** A reader that waited about this long for one chunk has it asked for by name, also of the tracker. */
  readonly windowPatienceMs: number
  /** A chunk moves to another source after this, or four times what is usual if that is longer. */
  readonly stallFloorMs: number
  /** What is usual before anything was measured. */
  readonly usualGuessMs: number
  /** Share of received bytes that may be spent on asking twice. */
  readonly hedgeShare: number
  /** Longest that one request may take before it is given up. */
  readonly requestTimeoutMs: number
  /** A tracker that has answered nothing for this long has lost its duty to the next source. */
  readonly trackerSilenceMs: number
  /** A reader with no chunk arriving anywhere in its download for this long is failed. */
  readonly readerGiveUpMs: number
  /** A download nobody reads keeps its peers this long, so that the next range needs no lookup. */
  readonly lingerMs: number
  /** Longest origin read that one request covers when the reader may stop at any byte. */
  readonly originExtentBytes: number
  /** An agent from which nothing was heard for this long has lost its origin duty to the next; 0 leaves all duty to oneself. */
  readonly dutyPatienceMs: number
  /**
   * Share of the chunks known by one agent's word alone that are compared with the origin, after its first ones all were;
   * 0 takes nothing on one agent's word.
   */
  readonly sampleShare: number
  /** Distinct admitted peers that must name the same digest where no tracker vouches. */
  readonly agreement: number
}

const MiB = 1024 * 1024

/** Readers of one blob whose windows fit into memory where the disk has no room. */
const OVERFLOW_WINDOWS = 4

/** Kept in memory of a blob for which the disk has no room. */
export function overflowBytes({ openWindowBytes }: SchedulerSettings): number {
  return OVERFLOW_WINDOWS * openWindowBytes
}

export const defaultSettings: SchedulerSettings = {
  depthPerPeer: 4,
  inFlightPerDownload: 8,
  inFlightBytes: 64 * MiB,
  followedPeers: 20,
  candidatePeers: 200,
  openWindowBytes: 2 * MiB,
  readAheadBytes: 4 * MiB,
  pullWindowBytes: 4 * MiB,
  discoveryBudgetMs: 200,
  trackerPatienceMs: 2_000,
  windowPatienceMs: 5_000,
  stallFloorMs: 250,
  usualGuessMs: 250,
  hedgeShare: 0.02,
  requestTimeoutMs: 20_000,
  trackerSilenceMs: 5_000,
  readerGiveUpMs: 25_000,
  lingerMs: 30_000,
  originExtentBytes: 8 * MiB,
  dutyPatienceMs: 3_000,
  sampleShare: 0.125,
  agreement: 2,
}

/**
 * How a tracker differs: it vouches, so it believes no agent's word; what nobody has is its own to fetch, so it waits for
 * no agent to do it, though for another tracker that does; it follows everybody, to know what the swarm still lacks; and
 * reading ahead is for those to do who know what is read.
 */
export const trackerSettings: SchedulerSettings = {
  ...defaultSettings,
  agreement: Number.POSITIVE_INFINITY,
  sampleShare: 0,
  readAheadBytes: 0,
  followedPeers: 1_000,
  candidatePeers: 1_000,
}
