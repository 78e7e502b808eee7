import type { PeerState } from './peer-state.ts'
import { PeerDuty, stripeOf } from './peer-duty.ts'

/** Patiences without anything new after which an agent no longer counts as a reader, and the next nearest takes its place. */
const GONE_AFTER = 4

/** Stripes that a reader must still have before it to lose the last of them to an idle one: it reads them from the first. */
const STEAL_FROM = 3

/** What duties are read from at one moment. */
export interface DutyView {
  readonly nowMs: number
  /** Silence after which a duty falls to the next in order. */
  readonly patienceMs: number
  /** Agents that want the blob too. */
  readonly members: readonly PeerState[]
  readonly chunkCount: number
  /** Since when `chunk` could be fetched. */
  sinceMs(chunk: number): number
  /** Nobody that is known has `chunk`, ourselves included. */
  isOrphan(chunk: number): boolean
}

/**
 * Who fetches what from outside, agreed without a word among the agents that want one blob. Each chunk has an order of
 * readers; one that brings nothing new for a while loses its duties to the next, that one a while later to its next, so
 * that never everybody goes at once.
 */
export class DutyRoster {
  readonly #selfId: string
  readonly #duty: PeerDuty

  constructor(selfId: string, blobDigest: string) {
    this.#selfId = selfId
    this.#duty = new PeerDuty(blobDigest)
  }

  /** The duties as `view` shows them; good until the next call. */
  at(view: DutyView): Duties {
    return new Duties(this.#selfId, this.#duty, view)
  }
}

/** The duties at one moment. What is not asked is not worked out. */
export class Duties {
  readonly #selfId: string
  readonly #duty: PeerDuty
  readonly #view: DutyView
  #members: ReadonlyMap<string, PeerState> | undefined
  #isReader = false
  #stripesLeft: Map<string, { count: number; last: number }> | undefined

  constructor(selfId: string, duty: PeerDuty, view: DutyView) {
    this.#selfId = selfId
    this.#duty = duty
    this.#view = view
  }

  /** The agent that has duty for `chunk`; `undefined` when it is ours, or nobody's who is in time. */
  holderOf(chunk: number): PeerState | undefined {
    const members = this.#known()
    const { nowMs, patienceMs } = this.#view
    let deadlineMs = this.#view.sinceMs(chunk)
    let ahead: PeerState | undefined
    for (const id of this.#duty.orderOf(stripeOf(chunk))) {
      if (id === this.#selfId) return ahead !== undefined && !this.#maySteal(stripeOf(chunk), ahead) ? ahead : undefined
      if (ahead !== undefined) return ahead
      const peer = members.get(id)
      if (peer === undefined || peer.holds(chunk)) continue
      deadlineMs = Math.max(deadlineMs, peer.lastNewMs) + patienceMs
      if (nowMs < deadlineMs) ahead = peer
    }
    return ahead
  }

  #known(): ReadonlyMap<string, PeerState> {
    if (this.#members !== undefined) return this.#members
    const { nowMs, patienceMs, members } = this.#view
    const live = members.filter((peer) => nowMs - peer.lastNewMs < patienceMs * GONE_AFTER)
    this.#members = new Map(live.map((peer) => [peer.id, peer]))
    this.#isReader = this.#duty.readersAmong([this.#selfId, ...this.#members.keys()]).includes(this.#selfId)
    return this.#members
  }

  /** Whoever is next in order and has nothing left to do takes the last stripe of one that has several left, which reads them from the first. */
  #maySteal(stripe: number, from: PeerState): boolean {
    if (!this.#isReader) return false
    this.#stripesLeft ??= this.#countLeft()
    const left = this.#stripesLeft.get(from.id)
    return (
      !this.#stripesLeft.has(this.#selfId) && left !== undefined && left.count >= STEAL_FROM && left.last === stripe
    )
  }

  #countLeft(): Map<string, { count: number; last: number }> {
    const left = new Map<string, { count: number; last: number }>()
    let counted = -1
    for (let chunk = 0; chunk < this.#view.chunkCount; chunk++) {
      const stripe = stripeOf(chunk)
      if (stripe === counted || !this.#view.isOrphan(chunk)) continue
      counted = stripe
      const [first] = this.#duty.orderOf(stripe)
      if (first !== undefined) left.set(first, { count: (left.get(first)?.count ?? 0) + 1, last: stripe })
    }
    return left
  }
}

/** Duties are worked out once, and only when they are asked for. */
export function lazily(duties: () => Duties): (chunk: number) => PeerState | undefined {
  let known: Duties | undefined
  return (chunk) => (known ??= duties()).holderOf(chunk)
}
