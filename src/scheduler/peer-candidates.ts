import type { PeerRef } from '../core/index.ts'
import { rendezvousWeight } from './origin-duty.ts'

export interface PeerCandidatesInit {
  readonly blobDigest: string
  /** Candidates remembered at most. */
  readonly limit: number
  /** How many of those nearest to the blob always find room. */
  readonly nearestCount: () => number
}

interface Candidate {
  readonly peer: PeerRef
  /** Followed peers up to which there is room for it. */
  readonly bound: number
  /** How near it is to the blob, once that was asked. */
  weight?: number
}

/**
 * Peers to follow when there is room, in the order in which they were named; but the few nearest to the blob by rendezvous
 * come first and always find room, since everybody has to know the same ones for duties to be agreed.
 */
export class PeerCandidates {
  readonly #init: PeerCandidatesInit
  readonly #waiting = new Map<string, Candidate>()
  readonly #followed = new Map<string, Candidate>()
  /** How many wait with each bound: there are two of them. */
  readonly #waitingByBound = new Map<number, number>()

  constructor(init: PeerCandidatesInit) {
    this.#init = init
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Remembers `peer`; forgotten when there are too many, unless it is among the nearest. */
  add(peer: PeerRef, bound: number): void {
    const candidate: Candidate = { peer, bound }
    if (this.#waiting.size >= this.#init.limit && !this.#isNearest(candidate)) return
    this.#count(this.#waiting.get(peer.id), -1)
    this.#waiting.set(peer.id, candidate)
    this.#count(candidate, 1)
    for (const oldest of this.#waiting.values()) {
      if (this.#waiting.size <= this.#init.limit) break
      this.#forget(oldest)
    }
  }

  /** The next to follow when `followedCount` are followed; it counts as followed until `left`. */
  take(followedCount: number): PeerRef | undefined {
    const next = this.#nearestWaiting() ?? this.#firstWithRoom(followedCount)
    if (next === undefined) return undefined
    this.#forget(next)
    this.#followed.set(next.peer.id, next)
    return next.peer
  }

  /** `id` is not followed any more, or could not be. */
  left(id: string): void {
    this.#followed.delete(id)
  }

  #firstWithRoom(followedCount: number): Candidate | undefined {
    // Asked for each peer that is named, and mostly in vain.
    if (!this.#hasRoomFor(followedCount)) return undefined
    for (const candidate of this.#waiting.values()) if (followedCount < candidate.bound) return candidate
    return undefined
  }

  #hasRoomFor(followedCount: number): boolean {
    for (const [bound, waiting] of this.#waitingByBound) if (followedCount < bound && waiting > 0) return true
    return false
  }

  #forget(candidate: Candidate): void {
    this.#waiting.delete(candidate.peer.id)
    this.#count(candidate, -1)
  }

  #count(candidate: Candidate | undefined, more: 1 | -1): void {
    if (candidate === undefined) return
    const { bound } = candidate
    this.#waitingByBound.set(bound, (this.#waitingByBound.get(bound) ?? 0) + more)
  }

  #nearestWaiting(): Candidate | undefined {
    // In a wave with a tracker, where none need be near, this is asked hundreds of times of each agent.
    if (this.#init.nearestCount() === 0) return undefined
    let nearest: Candidate | undefined
    for (const candidate of this.#waiting.values())
      if (nearest === undefined || this.#weightOf(candidate) > this.#weightOf(nearest)) nearest = candidate
    return nearest !== undefined && this.#isNearest(nearest) ? nearest : undefined
  }

  /** Too few of those followed are nearer than `candidate`. */
  #isNearest(candidate: Candidate): boolean {
    const count = this.#init.nearestCount()
    if (count === 0) return false
    let nearer = 0
    for (const followed of this.#followed.values()) if (this.#weightOf(followed) > this.#weightOf(candidate)) nearer++
    return nearer < count
  }

  #weightOf(candidate: Candidate): number {
    return (candidate.weight ??= rendezvousWeight(this.#init.blobDigest, candidate.peer.id))
  }
}
