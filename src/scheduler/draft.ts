import { isByNumber, type Urgency, urgencyAmong } from './demand.ts'
import { betterHolder } from './holder-choice.ts'
import type { PeerState } from './peer-state.ts'
import type { Action, PlanView } from './plan-view.ts'
import type { SchedulerSettings } from './settings.ts'
import { isMissing, type WantedVisitor } from './wanted.ts'

/** Origin reads at once in one download: one long one for a pull, the others for ranges that cannot wait behind it. */
const MAX_ORIGIN_READS = 4

/**
 * Requests that one of `peers` is given at once: few peers are given several each, so that none idles for a round trip;
 * among many each is given one, so that nobody's chunks wait in one queue while another's is empty.
 */
function depthAmong(peers: number, { depthPerPeer, inFlightPerDownload }: SchedulerSettings): number {
  return Math.min(depthPerPeer, Math.max(1, Math.ceil(inFlightPerDownload / Math.max(1, peers))))
}

/** A plan in the making: what it has promised so far counts against the limits of what it may still promise. */
export class Draft implements WantedVisitor {
  readonly #view: PlanView
  readonly #asks: Action[] = []
  readonly #asked = new Map<PeerState, number>()
  readonly #taken = new Set<number>()
  #awakePeers: readonly PeerState[] | undefined
  #readyPeers: readonly PeerState[] | undefined
  /** Nothing can be promised but what there has to be room for: no reader waits for a certain chunk, and the tracker has its want. */
  readonly #isWindowAll: boolean
  readonly #anyRoom: number
  #anyNeeded = 0
  #originReads: number
  #slots: number
  #room: number

  constructor(view: PlanView) {
    this.#view = view
    this.#slots = view.freeSlots
    this.#room = view.roomInWindow
    this.#originReads = view.originReads
    this.#anyRoom = this.#roomForAny()
    this.#isWindowAll = view.duty !== undefined && this.#anyRoom <= 0 && !hasWaitingReader(view)
  }

  /** Nothing more can be promised, whatever chunk comes next. */
  get isFull(): boolean {
    return this.#slots <= 0 || (this.#room <= 0 && this.#isWindowAll)
  }

  /** One more chunk that nobody holds, and for which no reader waits, would change the plan. */
  get takesOrphans(): boolean {
    const { duty, isSettled, isTrackerPending, isTakingStock, trust, mayReadOrigin } = this.#view
    if (isTakingStock || (!isSettled && (isTrackerPending || trust.hearsAgents))) return false
    return duty === undefined ? mayReadOrigin && this.#originReads < 1 : this.#anyNeeded < this.#anyRoom
  }

  /** One more chunk that somebody holds, and for which no reader waits, would change the plan. */
  get takesHeld(): boolean {
    return this.#room > 0
  }

  visit(chunk: number, urgency: Urgency): boolean {
    this.#place(chunk, urgency)
    return this.isFull
  }

  /** Agents that do not rest. They are gone through only when there is a chunk for them: many plans find none. */
  get #awake(): readonly PeerState[] {
    const { agents, nowMs } = this.#view
    this.#awakePeers ??= agents.filter((peer) => peer.restUntilMs <= nowMs)
    return this.#awakePeers
  }

  /** Those of them that have room for one more request. */
  get #ready(): readonly PeerState[] {
    if (this.#readyPeers !== undefined) return this.#readyPeers
    const depth = this.#depth
    // None of them was promised anything so far.
    this.#readyPeers = this.#awake.filter((peer) => peer.inFlight < depth)
    return this.#readyPeers
  }

  get #depth(): number {
    return depthAmong(this.#awake.length, this.#view.settings)
  }

  #place(chunk: number, urgency: Urgency): void {
    const view = this.#view
    if (this.#taken.has(chunk)) return
    const isHeldSomewhere = view.board.copiesOf(chunk) > 0
    if (isHeldSomewhere && urgency !== 'range' && this.#room <= 0) return
    if (isHeldSomewhere && this.#ready.length > 0) {
      const holder = this.#holderOf(chunk)
      if (holder !== undefined) {
        if (urgency === 'range' || !holder.isFar || this.#isOursToCross(chunk)) this.#ask(holder, chunk)
        return
      }
    }
    if (!this.#isSettled(chunk) || !this.#couldPlaceOrphan(urgency)) return
    // Its holders are all at their depth: their next free lane is nearer than the origin, unless a reader waits for it.
    if (urgency !== 'range' && isHeldSomewhere && this.#isComing(chunk)) return
    if (urgency !== 'range' && view.isTakingStock) return
    this.#placeOrphan(chunk, urgency)
  }

  actions(): Action[] {
    const { duty } = this.#view
    if (duty === undefined) return this.#asks
    const room = this.#anyRoom - (this.#asked.get(duty) ?? 0)
    for (let i = Math.min(this.#anyNeeded, room, this.#slots); i > 0; i--) {
      this.#asks.push({ kind: 'ask-any', peer: duty })
    }
    return this.#asks
  }

  #holderOf(chunk: number): PeerState | undefined {
    const holders: PeerState[] = []
    for (const peer of this.#ready) if (this.#canGive(peer, chunk)) holders.push(peer)
    return betterHolder(this.#view, holders)
  }

  /** A peer can give it, now or, without a tracker that could do so meanwhile, when it is less busy. */
  #isComing(chunk: number): boolean {
    const { agents, duty } = this.#view
    const waited = duty === undefined ? agents.filter((peer) => peer.isAble(this.#view.nowMs)) : this.#awake
    return waited.some((peer) => this.#canGive(peer, chunk))
  }

  /** Across the boundary of a zone goes only what nobody near has or is about to fetch. */
  #isOursToCross(chunk: number): boolean {
    const { agents } = this.#view
    const isNear = agents.some((peer) => !peer.isFar && peer.holds(chunk) && peer.stalls === 0)
    return !isNear && this.#view.crossingHolder(chunk) === undefined
  }

  /** An agent's chunk must be checkable: against a believed digest, or, without a tracker, against a sample from the origin. */
  #canGive(peer: PeerState, chunk: number): boolean {
    if (!peer.holds(chunk)) return false
    const { trust, duty, mayReadOrigin, settings } = this.#view
    if (trust.digestAt(chunk) !== undefined) return true
    return duty === undefined && mayReadOrigin && settings.sampleShare > 0 && trust.isClaimedBy(peer.id, chunk)
  }

  /** Wants of any chunk that the tracker may be asked for. */
  #roomForAny(): number {
    const { duty, settings, nowMs, agents } = this.#view
    if (duty === undefined || duty.restUntilMs > nowMs) return 0
    // Alone, an agent keeps the tracker's lanes full; in a crowd everybody's one want does, and the rest is had from peers.
    return Math.max(1, Math.ceil(settings.depthPerPeer / (1 + agents.length))) - duty.inFlight
  }

  /** What agents will say of `chunk` need not be waited for by one that takes it on no agent's word. */
  #isSettled(chunk: number): boolean {
    const { isSettled, isTrackerPending, trust } = this.#view
    return isSettled || (!isTrackerPending && !trust.hearsAgents && trust.digestAt(chunk) === undefined)
  }

  #couldPlaceOrphan(urgency: Urgency): boolean {
    return isByNumber(urgency) || this.#view.duty === undefined || this.#anyNeeded < this.#anyRoom
  }

  /** A chunk that no followed agent can give: the tracker's to fetch, else the origin's to ask. */
  #placeOrphan(chunk: number, urgency: Urgency): void {
    const { duty, mayReadOrigin, nowMs, settings } = this.#view
    if (duty !== undefined) {
      // What will only probably be read leaves a lane to those who wait.
      const lanes = settings.depthPerPeer - (urgency === 'range' ? 0 : 1)
      if (!isByNumber(urgency)) this.#anyNeeded++
      else if (duty.restUntilMs <= nowMs && this.#hasRoom(duty, lanes)) this.#ask(duty, chunk)
      return
    }
    const spare = urgency === 'range' ? MAX_ORIGIN_READS : 1
    if (!mayReadOrigin || this.#originReads >= spare) return
    // Whoever has duty for it fetches it for itself, and will say so.
    if (urgency !== 'range' && this.#view.dutyHolder(chunk) !== undefined) return
    const isAny = urgency === 'bulk' || urgency === 'background'
    this.#readOrigin(isAny ? (this.#firstOfDuty() ?? chunk) : chunk, urgency)
  }

  /** The lowest missing chunk that is ours to read: everybody's readers come to the low ones first. */
  #firstOfDuty(): number | undefined {
    const view = this.#view
    for (let chunk = 0; chunk < view.layout.chunkCount; chunk++) {
      if (view.board.copiesOf(chunk) > 0 || this.#taken.has(chunk) || !isMissing(view, chunk)) continue
      if (view.dutyHolder(chunk) === undefined) return chunk
    }
    return undefined
  }

  #hasRoom(peer: PeerState, depth = this.#depth): boolean {
    return peer.inFlight + (this.#asked.get(peer) ?? 0) < depth
  }

  #ask(peer: PeerState, chunk: number): void {
    this.#asks.push({ kind: 'ask', peer, chunk })
    this.#asked.set(peer, (this.#asked.get(peer) ?? 0) + 1)
    if (!this.#hasRoom(peer)) this.#readyPeers = this.#ready.filter((other) => other !== peer)
    this.#taken.add(chunk)
    this.#slots--
    this.#room--
  }

  /** One read over the run of missing chunks from `start` that are wanted too, so that a pull is one request at the origin. */
  #readOrigin(start: number, urgency: Urgency): void {
    const { layout, demands, nowMs, settings, originRunChunks } = this.#view
    const isPull = urgency === 'bulk' || demands.some((demand) => demand.kind === 'whole' && !demand.isDone)
    let bytes = 0
    let chunk = start
    for (; chunk < layout.chunkCount; chunk++) {
      if (this.#taken.has(chunk) || !isMissing(this.#view, chunk)) break
      if (urgencyAmong(demands, chunk, layout, nowMs, settings) === undefined) break
      bytes += layout.lengthOf(chunk)
      // The first chunk is read whatever its size, and whoever has duty for it.
      if (chunk > start && this.#view.dutyHolder(chunk) !== undefined) break
      if (isPull && chunk - start >= originRunChunks) break
      if (chunk > start && !isPull && bytes > settings.originExtentBytes) break
      this.#taken.add(chunk)
    }
    if (chunk === start) return
    this.#asks.push({ kind: 'read-origin', start, count: chunk - start })
    this.#originReads++
    this.#slots--
  }
}

/** Somebody waits for exactly the chunk that comes next. */
function hasWaitingReader({ demands, layout, nowMs, settings }: PlanView): boolean {
  return demands.some(
    (demand) => demand.urgencyOf(layout.chunkAt(demand.position), layout, nowMs, settings) === 'range',
  )
}
