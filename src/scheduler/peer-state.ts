import { Bitfield } from '../chunking/index.ts'
import type { PeerRole } from '../core/index.ts'
import type { Following } from './ports.ts'

/** Weight of the newest sample in a peer's usual service time: follows a change within about five chunks. */
const EWMA_WEIGHT = 0.25

/** A machine that is merely busy has caught up by then. */
const FIRST_STALL_REST_MS = 1_000

/** One that stalls again and again is hardly worth a chunk every quarter of a minute. */
const MAX_STALL_REST_MS = 16_000

/** What one download knows of one peer it follows. */
export class PeerState {
  readonly id: string
  readonly role: PeerRole
  /** Where it says it stands; '' when it does not say. */
  readonly zone: string
  /** It stands in another zone than we do, as far as both say. */
  isFar = false
  /** Requests under way, `any` included. */
  inFlight = 0
  /** Times in a row that it was found to deliver nothing. */
  stalls = 0
  /** Not to be asked before this time: it said busy, or is suspected of having stalled. */
  restUntilMs = 0
  /** When it last delivered or answered anything. */
  lastHeardMs: number
  /** When it last held a chunk that no other of its zone was known to hold: the sign of one that does its duty. */
  lastNewMs: number
  /** It follows us in a download of its own, so it wants the blob too. */
  isWanting = false
  /** Milliseconds from asking to having a whole chunk, smoothed; undefined before the first. */
  serviceMs: number | undefined
  /** The following has ended; nothing more is asked of it. */
  isGone = false
  /** Chunks of its word alone that the origin confirmed. */
  confirmedCount = 0
  /** A tracker that said it cannot fetch this blob (no rights at the origin, no room). */
  cannotSeed = false
  /** It has told what it holds, so that it is known whether others hold the blob already. */
  hasReported = false
  /** A bit for each chunk: what dozens of peers hold is asked at each plan, and stays in the processor's cache. */
  readonly #held: Bitfield
  #following: Following | undefined

  constructor(id: string, role: PeerRole, chunkCount: number, nowMs: number, zone = '') {
    this.id = id
    this.role = role
    this.zone = zone
    this.lastHeardMs = nowMs
    this.lastNewMs = nowMs
    this.#held = new Bitfield(chunkCount)
  }

  /** Its news may come before `follow` has returned, so this is set afterwards, in the same turn. */
  set following(following: Following) {
    this.#following = following
  }

  get following(): Following {
    if (this.#following === undefined) throw new TypeError('the peer is not followed yet')
    return this.#following
  }

  /** Not left alone for having stalled. One that merely said busy is able. */
  isAble(nowMs: number): boolean {
    return this.stalls === 0 || this.restUntilMs <= nowMs
  }

  holds(chunk: number): boolean {
    return this.#held.has(chunk)
  }

  holdsEach(chunks: readonly number[]): boolean {
    for (const chunk of chunks) if (!this.#held.has(chunk)) return false
    return true
  }

  /** Marks `chunk` as held there; true when that is news. */
  gains(chunk: number): boolean {
    if (chunk < 0 || chunk >= this.#held.length || this.#held.has(chunk)) return false
    this.#held.set(chunk)
    return true
  }

  /** Marks `chunk` as not held there; true when that is news. */
  loses(chunk: number): boolean {
    if (!this.#held.has(chunk)) return false
    this.#held.clear(chunk)
    return true
  }

  get holdsAll(): boolean {
    return this.#held.count === this.#held.length
  }

  /** A request to it begins. That one that has just stalled is tried again is no sign of life. */
  begins(nowMs: number): void {
    const isTriedAgain = this.stalls > 0 && nowMs - this.restUntilMs < FIRST_STALL_REST_MS
    if (this.inFlight++ === 0 && !isTriedAgain) this.lastHeardMs = nowMs
  }

  /** It delivered nothing in time: left alone for a second, then two, and so on. */
  stalled(nowMs: number): void {
    this.restUntilMs = nowMs + Math.min(MAX_STALL_REST_MS, FIRST_STALL_REST_MS * 2 ** this.stalls)
    this.stalls++
  }

  served(tookMs: number, nowMs: number): void {
    this.lastHeardMs = nowMs
    this.stalls = 0
    this.serviceMs = this.serviceMs === undefined ? tookMs : this.serviceMs + EWMA_WEIGHT * (tookMs - this.serviceMs)
  }

  /** Expected milliseconds until it could deliver one more chunk. */
  expectedMs(usualMs: number): number {
    return (this.inFlight + 1) * (this.serviceMs ?? usualMs)
  }
}
