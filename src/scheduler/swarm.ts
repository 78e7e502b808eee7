import { type BlobRef, type Clock, isAbort, type OriginGrant, type PeerRef } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { rankByRendezvous } from './origin-duty.ts'
import { PeerState } from './peer-state.ts'
import type { ContentRouter, OriginAccess, PeerLink, PeerNetwork } from './ports.ts'
import type { SchedulerSettings } from './settings.ts'
import { TaskGroup } from './task-group.ts'

/** Longest wait for a connection to one peer; a dead host must not hold its place among the candidates. */
const CONNECT_TIMEOUT_MS = 3_000

/** Connections tried at once for one blob: a wave of candidates must not exhaust sockets. */
const MAX_CONNECTING = 8

/** Peers followed at most, as a multiple of those that we look for ourselves. */
const FOLLOW_BACK_FACTOR = 2

/** Rest before a tracker that failed is tried again while the download goes on. */
const TRACKER_RETRY_MS = 2_000

export interface SwarmComponents {
  readonly network: PeerNetwork
  readonly router: ContentRouter
  readonly clock: Clock
  readonly logger: Logger
}

export interface SwarmInit {
  readonly selfId: string
  readonly ref: BlobRef
  readonly chunkCount: number
  /** Where the blob is to be had, and the latest client's right to it. */
  readonly access: () => OriginAccess
  readonly settings: SchedulerSettings
}

/** What the download does about news from its peers. */
export interface SwarmListener {
  /** `peer` holds `chunks` it was not known to hold; `digests` is what it says of them, empty when it said only that it holds them. */
  gained(peer: PeerState, chunks: readonly number[], digests: readonly Uint8Array[]): void
  left(peer: PeerState): void
  /** Peers came, went or answered: it is time to plan again. */
  changed(): void
}

/**
 * The peers of one blob: finds them (trackers and DHT at once, then peers named by peers), follows a bounded number,
 * replaces those that leave. Owns the `PeerState` of each followed peer.
 */
export class Swarm {
  readonly #init: SwarmInit
  readonly #components: SwarmComponents
  readonly #listener: SwarmListener
  readonly #tasks = new TaskGroup()
  readonly #agents = new Map<string, PeerState>()
  /** Peers to follow when there is room, each with the number of followed peers up to which there is. */
  readonly #candidates = new Map<string, { readonly peer: PeerRef; readonly bound: number }>()
  readonly #connecting = new Set<string>()
  readonly #refused = new Set<string>()
  readonly #trackerIds: ReadonlySet<string>
  #startedMs: number
  #tracker: PeerState | undefined
  #isStarted = false
  #isSeekingTracker = false
  #isWalking = false

  constructor(init: SwarmInit, components: SwarmComponents, listener: SwarmListener) {
    this.#init = init
    this.#components = components
    this.#listener = listener
    this.#startedMs = components.clock.now()
    this.#trackerIds = new Set(components.network.trackers().map((tracker) => tracker.id))
  }

  /** Begins to look for peers; does nothing the second time. */
  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#startedMs = this.#components.clock.now()
    this.#seekTracker()
    if (this.#trackerIds.size === 0) this.#askNeighbours()
    this.walk()
  }

  async close(): Promise<void> {
    // The tasks end first: a peer that is left now must not be replaced.
    const ended = this.#tasks.close()
    for (const peer of [...this.#agents.values()]) peer.following.close()
    this.#tracker?.following.close()
    await ended
  }

  get agents(): readonly PeerState[] {
    return [...this.#agents.values()]
  }

  agent(id: string): PeerState | undefined {
    return this.#agents.get(id)
  }

  /** A followed agent or the followed tracker. */
  peer(id: string): PeerState | undefined {
    return this.#tracker?.id === id ? this.#tracker : this.#agents.get(id)
  }

  get followedCount(): number {
    return this.#agents.size + (this.#tracker === undefined ? 0 : 1)
  }

  /** The tracker that fetches for the cluster what nobody has, as long as it is there and can. */
  duty(nowMs: number): PeerState | undefined {
    const tracker = this.#tracker
    if (tracker === undefined || tracker.cannotSeed) return undefined
    // It owes an answer, or is left alone for having owed one too long.
    const isAwaited = tracker.inFlight > 0 || (tracker.stalls > 0 && tracker.restUntilMs > nowMs)
    const isSilent = isAwaited && nowMs - tracker.lastHeardMs > this.#init.settings.trackerSilenceMs
    return isSilent ? undefined : tracker
  }

  /** The followed tracker, whether or not it can fetch: it vouches and has the map. */
  get tracker(): PeerState | undefined {
    return this.#tracker
  }

  /** Enough is known to say that nobody has a chunk: the tracker and all peers named so far have answered, or the budget is spent. */
  isSettled(nowMs: number): boolean {
    const { discoveryBudgetMs, trackerPatienceMs } = this.#init.settings
    const ageMs = nowMs - this.#startedMs
    const isTrackerPending = this.#isSeekingTracker || this.#tracker?.hasReported === false
    if (isTrackerPending) return ageMs >= trackerPatienceMs
    if (ageMs >= discoveryBudgetMs) return true
    const haveAllReported = [...this.#agents.values()].every((peer) => peer.hasReported)
    return this.#tracker !== undefined && haveAllReported && this.#connecting.size === 0 && this.#candidates.size === 0
  }

  /** Peers may still turn up: a walk, a connection or the search for a tracker is under way. */
  get isSearching(): boolean {
    return this.#isWalking || this.#connecting.size > 0
  }

  /** Someone said that `peer` has some of the blob. */
  add(peer: PeerRef): void {
    this.#consider(peer, this.#init.settings.followedPeers)
  }

  /**
   * `peer` follows us. It is followed back even beyond those we looked for: in a wave the first to come are named to
   * everybody and the last to nobody, and only mutual following makes use of everyone's uplink.
   */
  followBack(peer: PeerRef): void {
    this.#consider(peer, this.#init.settings.followedPeers * FOLLOW_BACK_FACTOR)
  }

  #consider(peer: PeerRef, bound: number): void {
    if (peer.id === this.#init.selfId || this.#trackerIds.has(peer.id)) return
    if (this.#agents.has(peer.id) || this.#connecting.has(peer.id) || this.#refused.has(peer.id)) return
    if (this.#candidates.size >= this.#init.settings.candidatePeers) return
    this.#candidates.set(peer.id, { peer, bound })
    this.#connectMore()
  }

  /** `peer` is not to be used for this blob again; false when that was so already. */
  refuse(peer: PeerState): boolean {
    if (this.#refused.has(peer.id)) return false
    this.#refused.add(peer.id)
    peer.following.close()
    return true
  }

  /** Asks the router once more, unless a walk is under way. */
  walk(): void {
    if (this.#isWalking) return
    this.#isWalking = true
    this.#tasks.run(async (signal) => {
      try {
        for await (const peer of this.#components.router.findPeers(this.#init.ref.digest, { signal })) this.add(peer)
      } catch (error) {
        if (!isAbort(error)) this.#components.logger.debug({ err: error }, 'looking for peers failed')
      } finally {
        this.#isWalking = false
        this.#listener.changed()
      }
    })
  }

  /** Who is connected may want the blob too; whoever does not says so at once. */
  #askNeighbours(): void {
    for (const peer of this.#components.network.neighbours()) this.add(peer)
  }

  #connectMore(): void {
    for (const [id, { peer, bound }] of this.#candidates) {
      if (this.#connecting.size >= MAX_CONNECTING) return
      if (this.#agents.size + this.#connecting.size >= bound) continue
      this.#candidates.delete(id)
      this.#connecting.add(id)
      this.#tasks.run((signal) => this.#followAgent(peer, signal))
    }
  }

  async #followAgent(peer: PeerRef, signal: AbortSignal): Promise<void> {
    try {
      const link = await this.#connect(peer, signal)
      signal.throwIfAborted()
      const state = this.#follow(link, 'agent', () => this.#agentLeft(peer.id))
      if (!state.isGone) this.#agents.set(peer.id, state)
    } catch (error) {
      if (signal.aborted) return
      this.#components.logger.debug({ peer: peer.id, err: error }, 'peer not reached')
      this.#components.router.reportDead?.(this.#init.ref.digest, peer.id)
    } finally {
      this.#connecting.delete(peer.id)
      if (!signal.aborted) this.#connectMore()
      this.#listener.changed()
    }
  }

  #agentLeft(id: string): void {
    const state = this.#agents.get(id)
    if (state === undefined) return
    this.#agents.delete(id)
    this.#listener.left(state)
    this.#connectMore()
  }

  #seekTracker(): void {
    const trackers = this.#components.network.trackers()
    if (this.#isSeekingTracker || this.#tracker !== undefined || trackers.length === 0) return
    this.#isSeekingTracker = true
    const ranked = rankByRendezvous(
      this.#init.ref.digest,
      trackers.map((tracker) => tracker.id),
    )
    this.#tasks.run(async (signal) => {
      for (const id of ranked) {
        const peer = trackers.find((tracker) => tracker.id === id)
        if (peer === undefined || signal.aborted) continue
        try {
          const link = await this.#connect(peer, signal)
          signal.throwIfAborted()
          const state = this.#follow(link, 'tracker', () => this.#trackerLeft())
          if (state.isGone) continue
          this.#tracker = state
          break
        } catch (error) {
          if (!isAbort(error)) this.#components.logger.debug({ peer: id, err: error }, 'tracker not reached')
        }
      }
      this.#isSeekingTracker = false
      if (this.#tracker === undefined && !signal.aborted) this.#retryTracker()
      this.#listener.changed()
    })
  }

  #trackerLeft(): void {
    const tracker = this.#tracker
    if (tracker === undefined) return
    this.#tracker = undefined
    this.#listener.left(tracker)
    this.#askNeighbours()
    this.#retryTracker()
  }

  #retryTracker(): void {
    this.#tasks.after(this.#components.clock, TRACKER_RETRY_MS, () => this.#seekTracker())
  }

  async #connect(peer: PeerRef, signal: AbortSignal): Promise<PeerLink> {
    const deadline = new AbortController()
    const timer = this.#components.clock.after(CONNECT_TIMEOUT_MS, () => deadline.abort())
    try {
      return await this.#components.network.connect(peer, { signal: AbortSignal.any([signal, deadline.signal]) })
    } finally {
      timer.clear()
    }
  }

  #follow(link: PeerLink, role: 'agent' | 'tracker', onLeft: () => void): PeerState {
    const { chunkCount, ref } = this.#init
    const access = this.#init.access()
    const peer = new PeerState(link.id, role, chunkCount, this.#components.clock.now())
    peer.following = link.follow(ref, role === 'tracker' ? grantsOf(access) : access.origins, {
      onBitfield: (bits) => this.#onBitfield(peer, bits),
      onHave: (chunks, digests) => this.#onHave(peer, chunks, digests),
      onPeers: (peers) => this.#onPeers(peers),
      onClosed: () => {
        peer.isGone = true
        onLeft()
        this.#listener.changed()
      },
    })
    return peer
  }

  #onBitfield(peer: PeerState, bits: Uint8Array): void {
    peer.hasReported = true
    const chunks: number[] = []
    for (let chunk = 0; chunk < this.#init.chunkCount; chunk++) {
      const isSet = ((bits[chunk >> 3] ?? 0) & (0x80 >> (chunk & 7))) !== 0
      if (isSet) chunks.push(chunk)
    }
    this.#listener.gained(peer, chunks, [])
    this.#listener.changed()
  }

  #onHave(peer: PeerState, chunks: readonly number[], digests: readonly Uint8Array[]): void {
    // Only news is a sign of life: saying the same again would keep a duty that is not done.
    if (peer.role === 'tracker' || chunks.some((chunk) => !peer.holds(chunk)))
      peer.lastHeardMs = this.#components.clock.now()
    this.#listener.gained(peer, chunks, digests)
    this.#listener.changed()
  }

  #onPeers(peers: readonly PeerRef[]): void {
    for (const peer of peers) this.add(peer)
  }
}

/** What a tracker may fetch with in our client's name: a bearer token is short-lived and for one repository, a password is neither. */
function grantsOf({ origins, authorization }: OriginAccess): readonly OriginGrant[] {
  const [first, ...others] = origins
  if (first === undefined || !/^bearer /i.test(authorization ?? '')) return origins
  return [{ ...first, authorization }, ...others]
}
