import { type BlobRef, type Clock, isAbort, type OriginGrant, type PeerRef, type PeerRole } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { rankByRendezvous } from './origin-duty.ts'
import { PeerCandidates } from './peer-candidates.ts'
import { MAX_READERS } from './peer-duty.ts'
import { PeerState } from './peer-state.ts'
import type { ContentRouter, OriginAccess, PeerLink, PeerNetwork } from './ports.ts'
import type { SchedulerSettings } from './settings.ts'
import { TaskGroup } from './task-group.ts'
import type { TrackerHealth } from './tracker-health.ts'
import { TrackerSeeker } from './tracker-seeker.ts'

/** Longest wait for a connection to one peer; a dead host must not hold its place among the candidates. */
const CONNECT_TIMEOUT_MS = 3_000

/** Connections tried at once for one blob: a wave of candidates must not exhaust sockets. */
const MAX_CONNECTING = 8

/** Peers followed at most, as a multiple of those that we look for ourselves. */
const FOLLOW_BACK_FACTOR = 2

/** Longest that peers who were asked whether they want the blob too are waited for: a loaded machine answers by then. */
const ANSWER_PATIENCE_MS = 1_000

/** Agents remembered that were followed and have left: more than die while one blob is fetched. */
const MAX_LEFT = 1_000

/** A tracker that is up has answered by then, also in a wave; a DHT walk would take as long. */
const WALK_AFTER_MS = 500

export interface SwarmComponents {
  readonly network: PeerNetwork
  readonly router: ContentRouter
  readonly health: TrackerHealth
  readonly clock: Clock
  readonly logger: Logger
}

export interface SwarmInit {
  readonly selfId: string
  readonly role: PeerRole
  /** Where this node stands; '' when nobody said. */
  readonly zone: string
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
  /** The same as a list, made when it is asked for and kept until it changes: it is asked for at each plan. */
  #listed: readonly PeerState[] | undefined
  readonly #candidates: PeerCandidates
  readonly #connecting = new Set<string>()
  readonly #refused = new Set<string>()
  readonly #left = new Set<string>()
  readonly #trackers: TrackerSeeker
  readonly #trackerIds: ReadonlySet<string>
  /** When neighbours were asked or, until then, when it began. */
  #askedMs: number
  #hasAsked = false
  #isStarted = false
  #isWalking = false
  #isWalkDue = false
  /** Nobody was named yet who could have or want the blob. */
  #isAlone = true

  constructor(init: SwarmInit, components: SwarmComponents, listener: SwarmListener) {
    this.#init = init
    this.#components = components
    this.#listener = listener
    this.#askedMs = components.clock.now()
    const trackers = components.network.trackers()
    this.#trackerIds = new Set(trackers.map(({ id }) => id))
    this.#trackers = this.#seekerOf(trackers)
    this.#candidates = new PeerCandidates({
      blobDigest: init.ref.digest,
      limit: init.settings.candidatePeers,
      // With a tracker on duty agents share none.
      nearestCount: () => (this.#trackers.current === undefined ? this.#nearestCount : 0),
    })
  }

  /** Begins to look for peers; does nothing the second time. */
  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#askedMs = this.#components.clock.now()
    this.#trackers.seek()
    this.#askNeighboursAlone()
    this.#walkUnlessTold()
  }

  async close(): Promise<void> {
    // The tasks end first: a peer that is left now must not be replaced.
    const ended = this.#tasks.close()
    for (const peer of [...this.#agents.values()]) peer.following.close()
    this.#trackers.close()
    await ended
  }

  /** Enough to agree on duties, and half of those followed are left to chance. */
  get #nearestCount(): number {
    return Math.min(MAX_READERS, Math.floor(this.#init.settings.followedPeers / 2))
  }

  get agents(): readonly PeerState[] {
    this.#listed ??= [...this.#agents.values()]
    return this.#listed
  }

  /** Whom chunks may be asked of by number: the agents and, for a tracker, the other trackers. */
  get holders(): readonly PeerState[] {
    return this.#init.role === 'tracker' ? [...this.#trackers.followed, ...this.#agents.values()] : this.agents
  }

  /** Who shares in duties with us: those that want the blob too. Agents among themselves, and trackers. */
  get sharers(): readonly PeerState[] {
    if (this.#init.role === 'tracker') return this.#trackers.followed.filter(({ isWanting }) => isWanting)
    return this.agents
  }

  agent(id: string): PeerState | undefined {
    return this.#agents.get(id)
  }

  /** Whether the agent `id` was followed and has left since. */
  hasLeft(id: string): boolean {
    return this.#left.has(id)
  }

  /** A followed agent or a followed tracker. */
  peer(id: string): PeerState | undefined {
    return this.#trackers.get(id) ?? this.#agents.get(id)
  }

  get followedCount(): number {
    return this.#agents.size + this.#trackers.followed.length
  }

  /** The tracker that fetches for the cluster what nobody has, as long as it is there and can. */
  duty(nowMs: number): PeerState | undefined {
    return this.#trackers.duty(nowMs)
  }

  /** The followed tracker, whether or not it can fetch: it vouches and has the map. */
  get tracker(): PeerState | undefined {
    return this.#trackers.current
  }

  /** Looks after the trackers; to be called every now and then while there is work. */
  review(nowMs: number): void {
    this.#trackers.review(nowMs)
    this.#askNeighboursAlone()
  }

  /** The first word of a tracker is still awaited, and not for too long. */
  isTrackerPending(nowMs: number): boolean {
    return this.#trackers.isPending(nowMs)
  }

  /** Enough is known to say that nobody has a chunk: the tracker and all peers named so far have answered, or the budget is spent. */
  isSettled(nowMs: number): boolean {
    const { discoveryBudgetMs } = this.#init.settings
    const ageMs = nowMs - this.#askedMs
    if (this.#trackers.isPending(nowMs)) return false
    if (this.#trackers.duty(nowMs) !== undefined)
      return ageMs >= discoveryBudgetMs || (this.#candidates.size === 0 && this.#haveAllReported)
    if (this.#isAlone && !this.#isWalking) return true
    return ageMs >= ANSWER_PATIENCE_MS || (ageMs >= discoveryBudgetMs && this.#haveAllReported)
  }

  get #haveAllReported(): boolean {
    return this.#connecting.size === 0 && this.agents.every((peer) => peer.hasReported)
  }

  /** Peers may still turn up: a walk, a connection or the search for a tracker is under way. */
  get isSearching(): boolean {
    return this.#isWalking || this.#isWalkDue || this.#connecting.size > 0
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
    if (this.#init.role === 'tracker' && this.#trackerIds.has(peer.id)) return this.#trackers.wants(peer.id)
    this.#consider(peer, this.#init.settings.followedPeers * FOLLOW_BACK_FACTOR)
  }

  #consider(peer: PeerRef, bound: number): void {
    if (peer.id === this.#init.selfId || this.#trackerIds.has(peer.id)) return
    if (this.#agents.has(peer.id) || this.#connecting.has(peer.id) || this.#refused.has(peer.id)) return
    this.#isAlone = false
    this.#candidates.add(peer, bound)
    this.#connectMore()
  }

  /** `peer` is not to be used for this blob again; false when that was so already. */
  refuse(peer: PeerState): boolean {
    if (this.#refused.has(peer.id)) return false
    this.#refused.add(peer.id)
    peer.following.close()
    return true
  }

  /** A tracker names peers in one round trip; a walk costs the cluster tens of messages, so it is for when none has answered. */
  #walkUnlessTold(): void {
    if (this.#trackerIds.size === 0) return this.walk()
    this.#isWalkDue = true
    this.#tasks.after(this.#components.clock, WALK_AFTER_MS, () => {
      this.#isWalkDue = false
      if (this.#trackers.current?.hasReported !== true) this.walk()
      else this.#listener.changed()
    })
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

  /** With no tracker to name peers they are looked for among those connected. */
  #askNeighboursAlone(): void {
    const nowMs = this.#components.clock.now()
    if (this.#hasAsked || this.#trackers.isPending(nowMs) || this.#trackers.duty(nowMs) !== undefined) return
    this.#hasAsked = true
    this.#askedMs = nowMs
    this.#askNeighbours()
  }

  /**
   * Who is connected may want the blob too; whoever does not says so at once, and who else asked it. All begin with those
   * nearest to the blob, so that they meet there, and go on with others each, so that everyone's uplink is used.
   */
  #askNeighbours(): void {
    const byId = new Map(this.#components.network.neighbours().map((peer) => [peer.id, peer]))
    const nearest = rankByRendezvous(this.#init.ref.digest, [...byId.keys()]).slice(0, MAX_READERS)
    const others = rankByRendezvous(this.#init.selfId, [...byId.keys()]).filter((id) => !nearest.includes(id))
    for (const id of [...nearest, ...others]) this.add(byId.get(id) ?? { id, addresses: [] })
  }

  #connectMore(): void {
    while (this.#connecting.size < MAX_CONNECTING) {
      const peer = this.#candidates.take(this.#agents.size + this.#connecting.size)
      if (peer === undefined) return
      this.#connecting.add(peer.id)
      this.#tasks.run((signal) => this.#followAgent(peer, signal))
    }
  }

  async #followAgent(peer: PeerRef, signal: AbortSignal): Promise<void> {
    try {
      const link = await this.#connect(peer, signal)
      signal.throwIfAborted()
      const state = this.#follow(link, 'agent', () => this.#agentLeft(peer.id))
      if (!state.isGone) this.#joined(state)
    } catch (error) {
      if (signal.aborted) return
      this.#candidates.left(peer.id)
      this.#components.logger.debug({ peer: peer.id, err: error }, 'peer not reached')
      this.#components.router.reportDead?.(this.#init.ref.digest, peer.id)
    } finally {
      this.#connecting.delete(peer.id)
      if (!signal.aborted) this.#connectMore()
      this.#listener.changed()
    }
  }

  #joined(state: PeerState): void {
    this.#agents.set(state.id, state)
    this.#left.delete(state.id)
    this.#listed = undefined
  }

  #agentLeft(id: string): void {
    const state = this.#agents.get(id)
    if (state === undefined) return
    this.#agents.delete(id)
    this.#noteLeft(id)
    this.#listed = undefined
    this.#listener.left(state)
    this.#connectMore()
  }

  #noteLeft(id: string): void {
    this.#left.add(id)
    for (const oldest of this.#left) {
      if (this.#left.size <= MAX_LEFT) return
      this.#left.delete(oldest)
    }
  }

  #seekerOf(trackers: readonly PeerRef[]): TrackerSeeker {
    const { ref, settings, role } = this.#init
    return new TrackerSeeker(
      { digest: ref.digest, trackers, settings, followsAll: role === 'tracker' },
      { ...this.#components, tasks: this.#tasks },
      {
        connect: async (peer, signal) => await this.#connect(peer, signal),
        follow: (link, onLeft) => this.#follow(link, 'tracker', onLeft),
        left: (tracker) => this.#listener.left(tracker),
        changed: () => {
          this.#askNeighboursAlone()
          this.#listener.changed()
        },
      },
    )
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
    const peer = new PeerState(link.id, role, chunkCount, this.#components.clock.now(), link.zone)
    peer.isFar = link.zone !== '' && this.#init.zone !== '' && link.zone !== this.#init.zone
    peer.following = link.follow(ref, role === 'tracker' ? bearerGrants(access) : access.origins, {
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
    if (peer.role === 'tracker') this.#trackers.reported(peer)
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
    if (peer.role === 'tracker' || !peer.holdsEach(chunks)) peer.lastHeardMs = this.#components.clock.now()
    this.#listener.gained(peer, chunks, digests)
  }

  #onPeers(peers: readonly PeerRef[]): void {
    for (const peer of peers) this.add(peer)
  }
}

/** What a tracker may fetch with in our client's name: a bearer token is short-lived and for one repository, a password is neither. */
export function bearerGrants({ origins, authorization }: OriginAccess): readonly OriginGrant[] {
  const [first, ...others] = origins
  if (first === undefined || !/^bearer /i.test(authorization ?? '')) return origins
  return [{ ...first, authorization }, ...others]
}
