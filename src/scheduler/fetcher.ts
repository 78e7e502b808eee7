import {
  type Clock,
  isAbort,
  PeerBusyError,
  PeerLacksChunkError,
  type PeerRef,
  type Random,
  ShoalError,
} from '../core/index.ts'
import type { Bandwidth, BandwidthClass, Buffers, Lease } from '../util/index.ts'
import { Allowance } from './allowance.ts'
import type { ChunkBoard } from './chunk-board.ts'
import { ChunkVerifier, type ChunkVerifierInit } from './chunk-verifier.ts'
import { type Urgency, WIRE_URGENCY } from './demand.ts'
import type { DigestTrust } from './digest-trust.ts'
import type { ByteSource } from './fetch-ledger.ts'
import type { InFlightBudget } from './in-flight-budget.ts'
import { OriginReads } from './origin-reads.ts'
import type { PeerState } from './peer-state.ts'
import type { OriginSource, ReceivedChunk } from './ports.ts'
import type { Suspects } from './suspects.ts'
import { TaskGroup } from './task-group.ts'
import type { WindowShare } from './transfer-window.ts'

/** Rest for a tracker that cannot fetch this blob, before it may be asked to again. */
const CANNOT_SEED_REST_MS = 10_000

/** Longest rest for a peer that said busy: its queue is not ours alone, and it says so again if it still is. */
const MAX_BUSY_REST_MS = 1_000

/** Rest for a peer whose request failed for no stated reason. */
const FAILURE_REST_MS = 1_000

export type FetcherInit = ChunkVerifierInit

export interface FetcherComponents {
  readonly board: ChunkBoard
  readonly trust: DigestTrust
  readonly suspects: Suspects
  readonly budget: InFlightBudget
  readonly window: WindowShare
  readonly bandwidth: Bandwidth | undefined
  readonly origin: OriginSource
  readonly clock: Clock
  readonly random: Random
  readonly hash: (bytes: Uint8Array) => Uint8Array
  /** For the chunks that the origin sends. */
  readonly buffers: Buffers
}

/** What the download is told of requests. */
export interface FetcherListener {
  /** Verified bytes, to be read as soon as this was called; resolves once they are stored. Takes shares of `payload`, which stays the caller's. */
  accept(chunk: number, payload: Lease, digest: Uint8Array, source: ByteSource, peer?: PeerState): Promise<void>
  /** Takes the chunk over from another blob of the store that has the same bytes; false when none has. */
  adopt(chunk: number, digest: Uint8Array): Promise<boolean>
  isStillWanted(chunk: number): boolean
  /** As what `chunk` counts under a limit. */
  bandwidthOf(chunk: number | 'any'): BandwidthClass
  tookMs(ms: number): void
  peerFailed(peer: PeerState, error: unknown): void
  originFailed(error: unknown): void
  /** Peers that were named with a busy answer. */
  named(peers: readonly PeerRef[]): void
  ended(): void
}

/** Carries out what the plan says: asks peers, has the origin read and what comes verified. Owns the requests to peers under way. */
export class Fetcher {
  readonly #init: FetcherInit
  readonly #components: FetcherComponents
  readonly #listener: FetcherListener
  readonly #allowance: Allowance
  readonly #tasks = new TaskGroup()
  readonly #anyRequests = new Set<AbortController>()
  readonly #verifier: ChunkVerifier
  readonly #originReads: OriginReads
  #requests = 0

  constructor(init: FetcherInit, components: FetcherComponents, listener: FetcherListener) {
    this.#init = init
    this.#components = components
    this.#listener = listener
    this.#allowance = new Allowance(components.bandwidth, () => listener.ended())
    this.#verifier = new ChunkVerifier(init, components, listener)
    this.#originReads = new OriginReads(init, components, {
      came: async (chunk, payload) =>
        await listener.accept(chunk, payload, this.#verifier.ofOrigin(chunk, payload.bytes), 'origin'),
      isStillWanted: (chunk) => listener.isStillWanted(chunk),
      bandwidthOf: (chunk) => listener.bandwidthOf(chunk),
      failed: (error) => listener.originFailed(error),
      ended: () => listener.ended(),
    })
  }

  /** Requests that hold or may come to hold a chunk buffer. */
  get inFlight(): number {
    return this.#requests + this.#originReads.count
  }

  /** As `OriginReads.busyCount`. */
  get originReads(): number {
    return this.#originReads.busyCount
  }

  async close(): Promise<void> {
    const ended = Promise.all([this.#tasks.close(), this.#originReads.close()])
    this.cancelAll()
    await ended
  }

  /** Something would be asked for but for the limit on bandwidth. */
  get isHeldBack(): boolean {
    return this.#allowance.isWaiting
  }

  /** Carries out a plan; what waited for bandwidth and is not in it waits no longer. */
  round(carryOut: () => void): void {
    this.#allowance.round(carryOut)
  }

  /** Ends every request, when nobody wants anything any more. */
  cancelAll(): void {
    this.#allowance.round(() => undefined)
    for (const attempt of [...this.#components.board.attempts()]) attempt.controller.abort()
    for (const controller of [...this.#anyRequests]) controller.abort()
    this.#originReads.cancelAll()
  }

  /** Asks `peer` for `chunk`, or a tracker for any chunk it thinks best; does nothing while bandwidth does not allow it. */
  ask(peer: PeerState, chunk: number | 'any', urgency: Urgency): void {
    const { board, budget, clock } = this.#components
    const { layout } = this.#init
    const reservedBytes = chunk === 'any' ? layout.maxChunkBytes : layout.lengthOf(chunk)
    const bandwidthClass = this.#listener.bandwidthOf(chunk)
    if (!this.#allowance.take(reservedBytes, bandwidthClass)) return
    const startedMs = clock.now()
    const controller = new AbortController()
    const attempt = chunk === 'any' ? undefined : board.begin(chunk, peer.id, startedMs, controller)
    if (chunk === 'any') this.#anyRequests.add(controller)
    budget.take(reservedBytes)
    const arrived = this.#sendOff(peer, chunk, startedMs)
    peer.begins(startedMs)
    this.#requests++
    this.#tasks.run(async () => {
      const timer = clock.after(this.#init.settings.requestTimeoutMs, () => {
        peer.restUntilMs = clock.now() + FAILURE_REST_MS
        controller.abort()
      })
      let hasCome = false
      try {
        if (chunk !== 'any' && (await this.#adopted(chunk))) return
        const { signal } = controller
        const wireUrgency = bandwidthClass === 'background' ? 'idle' : WIRE_URGENCY[urgency]
        const received = await peer.following.request(chunk, { signal, urgency: wireUrgency })
        hasCome = true
        // Which chunk a tracker chooses, and so how long it is, nobody knows before.
        const unusedBytes = reservedBytes - received.payload.bytes.byteLength
        if (unusedBytes > 0) this.#allowance.refund(unusedBytes, bandwidthClass)
        arrived('came')
        try {
          await this.#receive(peer, chunk, received, clock.now() - startedMs, signal)
        } finally {
          received.payload.release()
        }
      } catch (error) {
        // Of a chunk that broke off, some has come.
        hasCome ||= !(error instanceof PeerBusyError || error instanceof PeerLacksChunkError)
        this.#failed(peer, chunk, error)
      } finally {
        timer.clear()
        arrived('failed')
        if (!hasCome) this.#allowance.refund(reservedBytes, bandwidthClass)
        if (attempt !== undefined) board.end(attempt)
        this.#anyRequests.delete(controller)
        budget.give(reservedBytes)
        peer.inFlight--
        this.#requests--
        this.#listener.ended()
      }
    })
  }

  /**
   * Counts a chunk as on its way until the function returned is called, once. What a tracker has still to fetch says nothing
   * of our link and is not counted.
   */
  #sendOff(peer: PeerState, chunk: number | 'any', startedMs: number): (how: 'came' | 'failed') => void {
    const { window, clock } = this.#components
    if (chunk === 'any' || peer.role === 'tracker') return () => undefined
    const bytes = this.#init.layout.lengthOf(chunk)
    window.take(bytes)
    let isOnItsWay = true
    return (how) => {
      if (!isOnItsWay) return
      isOnItsWay = false
      if (how === 'came') window.arrived(bytes, clock.now() - startedMs)
      window.give(bytes)
    }
  }

  /** Reads chunks [start, start + count) from the origin in one go, as far as they stay wanted. */
  readOrigin(start: number, count: number): void {
    this.#originReads.begin(start, count)
  }

  /** Identical chunks of different blobs are fetched once. */
  async #adopted(chunk: number): Promise<boolean> {
    const digest = this.#components.trust.digestAt(chunk)
    return digest !== undefined && (await this.#listener.adopt(chunk, digest))
  }

  async #receive(
    peer: PeerState,
    asked: number | 'any',
    received: ReceivedChunk,
    tookMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { chunk, payload } = received
    const digest = await this.#verifier.ofPeer(peer, asked, received, signal)
    peer.served(tookMs, this.#components.clock.now())
    this.#listener.tookMs(tookMs)
    await this.#listener.accept(chunk, payload, digest, peer.role === 'tracker' ? 'tracker' : 'peers', peer)
  }

  #failed(peer: PeerState, chunk: number | 'any', error: unknown): void {
    if (isAbort(error)) return this.#abandoned(peer)
    if (error instanceof ShoalError && error.blame === 'origin') return this.#listener.originFailed(error)
    const nowMs = this.#components.clock.now()
    if (error instanceof PeerBusyError) {
      peer.lastHeardMs = nowMs
      this.#restFromBusy(peer, error.waitMs)
      this.#listener.named(error.alternates)
    } else if (error instanceof PeerLacksChunkError) {
      peer.lastHeardMs = nowMs
      // A tracker is asked for what nobody has: that it lacks it too says that it could not fetch it.
      if (chunk !== 'any' && peer.loses(chunk)) this.#components.board.removeCopy(chunk)
      else if (peer.role === 'tracker') this.#restFromSeeding(peer)
    } else if (peer.role === 'tracker') {
      this.#restFromSeeding(peer)
    } else {
      peer.restUntilMs = nowMs + FAILURE_REST_MS
    }
    this.#listener.peerFailed(peer, error)
  }

  /** A tracker that said nothing until its reader left has stalled, or the next reader would wait for it as long again. */
  #abandoned(peer: PeerState): void {
    const nowMs = this.#components.clock.now()
    const isSilent = nowMs - peer.lastHeardMs > this.#init.settings.trackerSilenceMs
    if (peer.role === 'tracker' && isSilent && peer.restUntilMs <= nowMs) peer.stalled(nowMs)
  }

  /** Those who were told the same wait come back at different times, or they would find it busy once more. */
  #restFromBusy(peer: PeerState, waitMs: number): void {
    const { clock, random } = this.#components
    const restMs = Math.min(waitMs, MAX_BUSY_REST_MS) * (0.5 + random())
    peer.restUntilMs = Math.max(peer.restUntilMs, clock.now() + restMs)
    this.#tasks.after(clock, restMs, () => this.#listener.ended())
  }

  #restFromSeeding(peer: PeerState): void {
    peer.cannotSeed = true
    this.#tasks.after(this.#components.clock, CANNOT_SEED_REST_MS, () => {
      peer.cannotSeed = false
      this.#listener.ended()
    })
  }
}
