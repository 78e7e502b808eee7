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
  readonly weight: number
}

/**
 * Peers to follow when there is room, in the order in which they were named; but the few nearest to the blob by rendezvous
 * come first and always find room, since everybody has to know the same ones for duties to be agreed.
 */
export class PeerCandidates {
  readonly #init: PeerCandidatesInit
  readonly #waiting = new Map<string, Candidate>()
  readonly #followedWeights = new Map<string, number>()

  constructor(init: PeerCandidatesInit) {
    this.#init = init
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Remembers `peer`; forgotten when there are too many, unless it is among the nearest. */
  add(peer: PeerRef, bound: number): void {
    const weight = rendezvousWeight(this.#init.blobDigest, peer.id)
    if (this.#waiting.size >= this.#init.limit && !this.#isNearest(weight)) return
    this.#waiting.set(peer.id, { peer, bound, weight })
    for (const oldest of this.#waiting.keys()) {
      if (this.#waiting.size <= this.#init.limit) break
      this.#waiting.delete(oldest)
    }
  }

  /** The next to follow when `followedCount` are followed; it counts as followed until `left`. */
  take(followedCount: number): PeerRef | undefined {
    const next = this.#nearestWaiting() ?? this.#firstWithRoom(followedCount)
    if (next === undefined) return undefined
    this.#waiting.delete(next.peer.id)
    this.#followedWeights.set(next.peer.id, next.weight)
    return next.peer
  }

  /** `id` is not followed any more, or could not be. */
  left(id: string): void {
    this.#followedWeights.delete(id)
  }

  #firstWithRoom(followedCount: number): Candidate | undefined {
    for (const candidate of this.#waiting.values()) if (followedCount < candidate.bound) return candidate
    return undefined
  }

  #nearestWaiting(): Candidate | undefined {
    let nearest: Candidate | undefined
    for (const candidate of this.#waiting.values())
      if (nearest === undefined || candidate.weight > nearest.weight) nearest = candidate
    return nearest !== undefined && this.#isNearest(nearest.weight) ? nearest : undefined
  }

  /** Too few of those followed are nearer than `weight`. */
  #isNearest(weight: number): boolean {
    let nearer = 0
    for (const followed of this.#followedWeights.values()) if (followed > weight) nearer++
    return nearer < this.#init.nearestCount()
  }
}
