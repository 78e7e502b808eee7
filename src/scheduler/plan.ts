import type { ChunkLayout } from '../chunking/index.ts'
import type { Random } from '../core/index.ts'
import type { ChunkBoard } from './chunk-board.ts'
import type { Demand, Urgency } from './demand.ts'
import { urgencyAmong } from './demand.ts'
import type { DigestTrust } from './digest-trust.ts'
import type { PeerState } from './peer-state.ts'
import type { SchedulerSettings } from './settings.ts'

/** Everything a plan is made from. Reading it changes nothing. */
export interface PlanView {
  readonly nowMs: number
  readonly layout: ChunkLayout
  readonly board: ChunkBoard
  readonly trust: DigestTrust
  readonly demands: readonly Demand[]
  readonly agents: readonly PeerState[]
  /** The tracker that has origin duty for this blob and can do it. */
  readonly duty: PeerState | undefined
  /** Whether enough is known of the swarm to call a chunk nobody's. */
  readonly isSettled: boolean
  /** Without a tracker: the agent whose duty `chunk` is, `undefined` when it is our own. */
  dutyHolder(chunk: number): PeerState | undefined
  /** Whether the origin may be read by this agent itself, should nobody else have duty. */
  readonly mayReadOrigin: boolean
  /** Origin reads under way. */
  readonly originReads: number
  readonly freeSlots: number
  readonly settings: SchedulerSettings
  readonly random: Random
  isHeld(chunk: number): boolean
}

export type Action =
  | { readonly kind: 'ask'; readonly peer: PeerState; readonly chunk: number }
  | { readonly kind: 'ask-any'; readonly peer: PeerState }
  | { readonly kind: 'read-origin'; readonly start: number; readonly count: number }

/** Missing chunks looked at for one choice of the rarest; a sample this large finds a rare one and stays cheap. */
const RAREST_SAMPLE = 256

/** Origin reads at once in one download: one long one for a pull, the others for ranges that cannot wait behind it. */
const MAX_ORIGIN_READS = 4

/** What to start now: a pure function of the view. In order of urgency, each chunk goes to an agent that holds it, else to whoever has origin duty. */
export function plan(view: PlanView): Action[] {
  const draft = new Draft(view)
  for (const { chunk, urgency } of wantedInOrder(view)) {
    if (draft.isFull) break
    draft.place(chunk, urgency)
  }
  return draft.actions()
}

/** Missing chunks in the order in which they should be asked for: ranges, windows, then rarest first. */
export function* wantedInOrder(view: PlanView): Iterable<{ chunk: number; urgency: Urgency }> {
  const pressing = pressingChunks(view)
  for (const rank of ['range', 'window'] as const) {
    for (const [chunk, urgency] of pressing) if (urgency === rank) yield { chunk, urgency }
  }
  for (const rank of ['bulk', 'background'] as const) {
    for (const chunk of rarestOf(view, rank, pressing)) yield { chunk, urgency: rank }
  }
}

/** The peer to ask for `chunk`: of two holders taken at random, the one expected to deliver sooner. */
export function chooseHolder(
  view: PlanView,
  chunk: number,
  isUsable: (peer: PeerState) => boolean,
): PeerState | undefined {
  const holders = view.agents.filter((peer) => peer.holds(chunk) && isUsable(peer))
  const first = holders[Math.floor(view.random() * holders.length)]
  const second = holders[Math.floor(view.random() * holders.length)]
  if (first === undefined || second === undefined) return undefined
  const usualMs = view.settings.usualGuessMs
  return second.expectedMs(usualMs) < first.expectedMs(usualMs) ? second : first
}

/** An agent's chunk must be checkable: against a believed digest, or, without a tracker, against a sample from the origin. */
function mayBeAsked(view: PlanView, peer: PeerState, chunk: number): boolean {
  if (view.trust.digestAt(chunk) !== undefined) return true
  const { duty, mayReadOrigin, settings } = view
  return duty === undefined && mayReadOrigin && settings.sampleShare > 0 && view.trust.isClaimedBy(peer.id, chunk)
}

function isMissing(view: PlanView, chunk: number): boolean {
  return !view.isHeld(chunk) && !view.board.isInFlight(chunk)
}

function pressingChunks(view: PlanView): Map<number, Urgency> {
  const found = new Map<number, Urgency>()
  for (const demand of view.demands) {
    if (demand.isDone || demand.kind === 'background') continue
    for (let chunk = view.layout.chunkAt(demand.position); chunk < view.layout.chunkCount; chunk++) {
      const urgency = urgencyAmong(view.demands, chunk, view.layout, view.nowMs, view.settings)
      if (urgency !== 'range' && urgency !== 'window') break
      if (isMissing(view, chunk)) found.set(chunk, urgency)
    }
  }
  return found
}

function rarestOf(view: PlanView, rank: 'bulk' | 'background', skip: ReadonlyMap<number, Urgency>): number[] {
  const kind = rank === 'bulk' ? 'whole' : 'background'
  const demands = view.demands.filter((demand) => demand.kind === kind && !demand.isDone)
  if (demands.length === 0) return []
  const { chunkCount } = view.layout
  const begin = Math.floor(view.random() * chunkCount)
  const sample: { chunk: number; key: number }[] = []
  for (let step = 0; step < chunkCount && sample.length < RAREST_SAMPLE; step++) {
    const chunk = (begin + step) % chunkCount
    if (skip.has(chunk) || !isMissing(view, chunk)) continue
    if (urgencyAmong(demands, chunk, view.layout, view.nowMs, view.settings) === undefined) continue
    sample.push({ chunk, key: view.board.copiesOf(chunk) + view.random() })
  }
  return sample.sort((a, b) => a.key - b.key).map(({ chunk }) => chunk)
}

/** A plan in the making: what it has promised so far counts against the limits of what it may still promise. */
class Draft {
  readonly #view: PlanView
  readonly #asks: Action[] = []
  readonly #asked = new Map<PeerState, number>()
  readonly #taken = new Set<number>()
  #anyNeeded = 0
  #originReads: number
  #slots: number

  constructor(view: PlanView) {
    this.#view = view
    this.#slots = view.freeSlots
    this.#originReads = view.originReads
  }

  get isFull(): boolean {
    return this.#slots <= 0
  }

  place(chunk: number, urgency: Urgency): void {
    const view = this.#view
    if (this.#taken.has(chunk)) return
    const canGive = (peer: PeerState) => peer.restUntilMs <= view.nowMs && mayBeAsked(view, peer, chunk)
    const holder = chooseHolder(view, chunk, (peer) => canGive(peer) && this.#hasRoom(peer))
    if (holder !== undefined) return this.#ask(holder, chunk)
    // Its holders are all at their depth: their next free lane is nearer than the origin, unless a reader waits for it.
    if (urgency !== 'range' && view.agents.some((peer) => peer.holds(chunk) && canGive(peer))) return
    if (view.isSettled) this.#placeOrphan(chunk, urgency)
  }

  actions(): Action[] {
    const { duty, settings, nowMs } = this.#view
    if (duty !== undefined && duty.restUntilMs <= nowMs) {
      // Alone, an agent keeps the tracker's lanes full; in a crowd everybody's one want does, and the rest is had from peers.
      const credits = Math.max(1, Math.ceil(settings.depthPerPeer / (1 + this.#view.agents.length)))
      const room = credits - duty.inFlight - (this.#asked.get(duty) ?? 0)
      for (let i = Math.min(this.#anyNeeded, room, this.#slots); i > 0; i--) {
        this.#asks.push({ kind: 'ask-any', peer: duty })
      }
    }
    return this.#asks
  }

  /** A chunk that no followed agent can give: the tracker's to fetch, else the origin's to ask. */
  #placeOrphan(chunk: number, urgency: Urgency): void {
    const { duty, mayReadOrigin } = this.#view
    if (duty !== undefined) {
      if (urgency !== 'range') this.#anyNeeded++
      else if (this.#hasRoom(duty)) this.#ask(duty, chunk)
      return
    }
    // Whoever has duty for it fetches it for itself, and will say so.
    if (urgency !== 'range' && this.#view.dutyHolder(chunk) !== undefined) return
    const spare = urgency === 'range' ? MAX_ORIGIN_READS : 1
    if (mayReadOrigin && this.#originReads < spare) this.#readOrigin(chunk, urgency)
  }

  #hasRoom(peer: PeerState): boolean {
    const { nowMs, settings } = this.#view
    return peer.restUntilMs <= nowMs && peer.inFlight + (this.#asked.get(peer) ?? 0) < settings.depthPerPeer
  }

  #ask(peer: PeerState, chunk: number): void {
    this.#asks.push({ kind: 'ask', peer, chunk })
    this.#asked.set(peer, (this.#asked.get(peer) ?? 0) + 1)
    this.#taken.add(chunk)
    this.#slots--
  }

  /** One read over the run of missing chunks from `start` that are wanted too, so that a pull is one request at the origin. */
  #readOrigin(start: number, urgency: Urgency): void {
    const { layout, demands, nowMs, settings } = this.#view
    const isPull = urgency === 'bulk' || demands.some((demand) => demand.kind === 'whole' && !demand.isDone)
    let bytes = 0
    let chunk = start
    for (; chunk < layout.chunkCount; chunk++) {
      if (this.#taken.has(chunk) || !isMissing(this.#view, chunk)) break
      if (urgencyAmong(demands, chunk, layout, nowMs, settings) === undefined) break
      bytes += layout.lengthOf(chunk)
      // The first chunk is read whatever its size, and whoever has duty for it.
      if (chunk > start && this.#view.dutyHolder(chunk) !== undefined) break
      if (chunk > start && !isPull && bytes > settings.originExtentBytes) break
      this.#taken.add(chunk)
    }
    if (chunk === start) return
    this.#asks.push({ kind: 'read-origin', start, count: chunk - start })
    this.#originReads++
    this.#slots--
  }
}
