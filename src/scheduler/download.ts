import { type AbortOptions, type BlobRef, PeerProtocolError, type PeerRole, ShoalError } from '../core/index.ts'
import { freshBuffers, type Lease } from '../util/index.ts'
import { Adopter } from './adopter.ts'
import { ChunkBoard, ORIGIN } from './chunk-board.ts'
import type { Demand } from './demand.ts'
import { Demands } from './demands.ts'
import { DigestTrust } from './digest-trust.ts'
import { DownloadDuties } from './download-duties.ts'
import { type DownloadComponents, type DownloadEvents } from './download-components.ts'
import { lazily } from './duty-roster.ts'
import { BlobCorruptError, DownloadClosedError } from './errors.ts'
import { type ByteSource, FetchLedger } from './fetch-ledger.ts'
import { Fetcher, type FetcherListener } from './fetcher.ts'
import { Ingest, type ReadableChunks } from './ingest.ts'
import { MapSeeker } from './map-seeker.ts'
import { OriginRest } from './origin-rest.ts'
import { PeerHoldings } from './peer-holdings.ts'
import type { PeerState } from './peer-state.ts'
import { plan } from './plan.ts'
import type { Action, PlanView } from './plan-view.ts'
import type { OriginAccess, StoredBlob } from './ports.ts'
import { ReaderPatience } from './reader-patience.ts'
import { overflowBytes, type SchedulerSettings } from './settings.ts'
import { StallWatch } from './stall-watch.ts'
import { Suspects } from './suspects.ts'
import { Swarm } from './swarm.ts'
import { TaskGroup } from './task-group.ts'
import type { WindowShare } from './transfer-window.ts'
import { Waiters } from './waiters.ts'
import { WholeCheck } from './whole-check.ts'

/** How often a download with work to do looks for what has stalled. */
const TICK_MS = 100

/** Why a request ends whose chunk has come; one for all, since most requests end so and a stack for each would be costly. */
const HAD = new DOMException('the chunk is had', 'AbortError')

export interface DownloadInit {
  readonly selfId: string
  readonly role: PeerRole
  readonly zone: string
  readonly access: OriginAccess
  readonly settings: SchedulerSettings
}

/**
 * The one download of one blob, whoever asks (single flight). State stands in `ChunkBoard`, `DigestTrust` and `Swarm`;
 * what to do next is decided by `plan` and `judge`; `Fetcher` does it. This class turns each event into a change of
 * state followed by a new plan, with no await in between.
 *
 * downloading -> verifying -> complete; verifying -> downloading when the whole turned out wrong.
 */
export class Download {
  readonly ref: BlobRef
  readonly ledger = new FetchLedger()
  readonly swarm: Swarm
  readonly #init: DownloadInit
  readonly #components: DownloadComponents
  readonly #events: DownloadEvents
  readonly #board: ChunkBoard
  readonly #trust: DigestTrust
  readonly #suspects = new Suspects()
  readonly #originRest = new OriginRest()
  readonly #fetcher: Fetcher
  readonly #share: WindowShare
  readonly #stalls: StallWatch
  readonly #waiters = new Waiters()
  readonly #demands: Demands
  readonly #patience: ReaderPatience
  readonly #tasks = new TaskGroup()
  readonly #maps: MapSeeker
  readonly #duties: DownloadDuties
  readonly #holdings: PeerHoldings
  readonly #adopter: Adopter
  readonly #ingest: Ingest
  readonly #wholeCheck: WholeCheck
  #access: OriginAccess
  #isPlanned = false
  readonly #planned = (): void => {
    this.#isPlanned = false
    if (!this.#tasks.signal.aborted) this.#act()
  }
  #isTicking = false

  constructor(blob: StoredBlob, init: DownloadInit, components: DownloadComponents, events: DownloadEvents) {
    const { settings, selfId, role } = init
    const { chunkCount } = blob.layout
    this.ref = blob.ref
    this.#ingest = new Ingest(blob, { ...components, overflowBytes: overflowBytes(settings) })
    this.#wholeCheck = new WholeCheck(this.#tasks, components.logger)
    this.#access = init.access
    this.#init = init
    this.#components = components
    this.#events = events
    this.#board = new ChunkBoard(chunkCount)
    this.#demands = new Demands({
      layout: blob.layout,
      settings,
      clock: components.clock,
      isOverflowing: () => this.#ingest.isOverflowing,
    })
    this.#trust = new DigestTrust(chunkCount, settings.agreement, components.isTrustedSigner)
    if (blob.map !== undefined) this.#trust.offerMap(blob.map)
    this.#stalls = new StallWatch(settings)
    this.#maps = new MapSeeker(blob.ref, { tasks: this.#tasks, ...components })
    this.swarm = new Swarm({ ...init, ref: this.ref, chunkCount, access: () => this.#access }, components, {
      gained: (peer, chunks, digests) => this.#gained(peer, chunks, digests),
      left: (peer) => this.#holdings.left(peer),
      changed: () => this.#replan(),
    })
    this.#duties = new DownloadDuties(
      { selfId, role, digest: this.ref.digest, chunkCount, dutyPatienceMs: settings.dutyPatienceMs },
      {
        swarm: this.swarm,
        board: this.#board,
        pace: components.originPace,
        isHad: (chunk) => this.#ingest.isHad(chunk),
      },
    )
    this.#adopter = new Adopter({ trust: this.#trust, ingest: this.#ingest, tasks: this.#tasks }, (chunk, digest) => {
      this.#patience.progressed()
      this.#accepted(chunk, this.blob.layout.lengthOf(chunk), digest, 'store')
    })
    this.#holdings = new PeerHoldings(
      role,
      chunkCount,
      { board: this.#board, trust: this.#trust, duties: this.#duties, maps: this.#maps, clock: components.clock },
      () => {
        this.#adopter.believed()
        this.#replan()
      },
    )
    this.#share = components.window.join({
      chunkBytes: Math.max(1, this.#ingest.chunkBytes),
      onRoom: () => this.#replan(),
    })
    this.#fetcher = this.#makeFetcher()
    this.#patience = this.#makePatience()
  }

  #makeFetcher(): Fetcher {
    const { settings } = this.#init
    return new Fetcher(
      { ref: this.ref, layout: this.blob.layout, access: () => this.#access, settings },
      {
        ...this.#components,
        board: this.#board,
        trust: this.#trust,
        suspects: this.#suspects,
        window: this.#share,
        bandwidth: this.#components.bandwidth,
        buffers: this.#components.buffers ?? freshBuffers,
      },
      this.#fetcherListener(),
    )
  }

  #makePatience(): ReaderPatience {
    return new ReaderPatience(this.ref, {
      waiters: this.#waiters,
      fetcher: this.#fetcher,
      swarm: this.swarm,
      trust: this.#trust,
      originRest: this.#originRest,
      hasOrigin: () => this.#access.origins.length > 0,
      clock: this.#components.clock,
    })
  }

  #fetcherListener(): FetcherListener {
    return {
      accept: (chunk, payload, digest, source, peer) => this.#accept(chunk, payload, digest, source, peer),
      adopt: (chunk, digest) => this.#adopter.adopt(chunk, digest),
      isStillWanted: (chunk) => this.#isStillWantedOfOrigin(chunk),
      bandwidthOf: (chunk) => this.#demands.bandwidthOf(chunk),
      tookMs: (ms) => this.#stalls.tookMs(ms),
      peerFailed: (peer, error) => this.#peerFailed(peer, error),
      originFailed: (error) => this.#originFailed(error),
      named: (peers) => {
        for (const peer of peers) this.swarm.add(peer)
      },
      ended: () => this.#replan(),
    }
  }

  start(): void {
    if (!this.blob.isComplete) this.swarm.start()
    this.#adopter.believed()
    if (this.#ingest.hasAll && !this.blob.isComplete) this.#verify()
  }

  async close(): Promise<void> {
    this.#waiters.failAll(new DownloadClosedError())
    await Promise.all([this.#tasks.close(), this.#fetcher.close(), this.swarm.close()])
    this.#share.close()
    this.#ingest.forgetFresh()
    this.blob.release()
  }

  get blob(): StoredBlob {
    return this.#ingest.blob
  }

  get demands(): ReadonlySet<Demand> {
    return this.#demands.all
  }

  /** Bytes held, near enough for a progress bar. */
  get heldBytes(): number {
    return this.#ingest.heldBytes
  }

  /** Followed agents that hold `chunk`. */
  copiesOf(chunk: number): number {
    return this.#board.copiesOf(chunk)
  }

  isHeldBy(peerId: string, chunk: number): boolean {
    return this.swarm.agent(peerId)?.holds(chunk) ?? false
  }

  /** What of it can be read, in memory or in the store. */
  get chunks(): ReadableChunks {
    return this.#ingest
  }

  /** Resolves when the check of the whole blob that may be under way has ended. */
  async verified(options: AbortOptions): Promise<void> {
    await this.#wholeCheck.ended(options)
  }

  /** A client that came later may have a right that is still good when the first one's has expired. */
  renewAccess(access: OriginAccess): void {
    if (access.authorization === undefined && this.#access.origins.length > 0) return
    if (access.authorization !== this.#access.authorization) this.#originRest.renewed()
    this.#access = access
  }

  /** Adds a reader's demand. */
  want(demand: Demand): void {
    this.#demands.add(demand)
    this.#patience.progressed()
    this.#replan()
    this.#tick()
  }

  /** Ends `demand`; what only it wanted is cancelled, unless it was for later anyway. */
  unwant(demand: Demand): void {
    if (!this.#demands.delete(demand) || demand.kind === 'background' || demand.kind === 'trace') return
    for (const attempt of [...this.#board.attempts()]) {
      if (attempt.sourceId !== ORIGIN && this.#demands.urgencyOf(attempt.chunk) === undefined)
        attempt.controller.abort()
    }
    if (this.#demands.isEmpty) this.#fetcher.cancelAll()
  }

  /** Resolves once `chunks` can lend `chunk`, which may not be stored yet; rejects when no source is left. */
  async readable(chunk: number, demand: Demand, options: AbortOptions): Promise<void> {
    await this.#until(() => this.#ingest.isReadable(chunk), chunk, demand, options)
  }

  /** Resolves once `chunk` is in the blob; rejects when no source is left. */
  async held(chunk: number, demand: Demand, options: AbortOptions): Promise<void> {
    await this.#until(() => this.blob.has(chunk), chunk, demand, options)
  }

  async #until(isThere: () => boolean, chunk: number, demand: Demand, options: AbortOptions): Promise<void> {
    while (!isThere()) {
      if (this.#tasks.signal.aborted) throw new DownloadClosedError()
      // A blob that was whole when it was opened has lost this chunk to its disk.
      this.swarm.start()
      this.#tick()
      demand.waits(this.#components.clock.now())
      this.#replan()
      await this.#waiters.wait(chunk, options)
    }
  }

  #gained(peer: PeerState, chunks: readonly number[], digests: readonly Uint8Array[]): void {
    this.#holdings.gained(peer, chunks, digests)
    if (digests.length > 0) this.#adopter.believed(chunks)
    // Most chunks that peers come to hold are had or asked for, and with every slot in use the next request to end plans anew.
    const isMissing = (chunk: number) => !this.#board.isInFlight(chunk) && !this.#ingest.isHad(chunk)
    if (peer.role === 'tracker' || (this.#freeSlots > 0 && chunks.some(isMissing))) this.#replan()
  }

  /** Plans once for all that happens in this turn. */
  #replan(): void {
    if (this.#isPlanned || this.#tasks.signal.aborted) return
    this.#isPlanned = true
    queueMicrotask(this.#planned)
  }

  #act(): void {
    const isIdle = this.blob.isComplete || this.#wholeCheck.isRunning || this.#demands.isEmpty
    const hasRoom = !isIdle && this.#freeSlots > 0
    // With every slot in use there is nothing to plan, nor is anything held back that could be let go.
    if (hasRoom || this.#fetcher.isHeldBack)
      this.#fetcher.round(() => {
        if (hasRoom) for (const action of plan(this.#view())) this.#perform(action)
      })
    this.#share.planned(!isIdle && this.#share.freeChunks === 0)
    if (!isIdle) this.#patience.failIfExhausted()
  }

  #perform(action: Action): void {
    if (action.kind === 'read-origin') {
      this.#duties.originAsked(this.#components.clock.now())
      this.#fetcher.readOrigin(action.start, action.count)
    } else if (action.kind === 'ask-any') this.#fetcher.ask(action.peer, 'any', 'window')
    else this.#fetcher.ask(action.peer, action.chunk, this.#demands.urgencyOf(action.chunk) ?? 'background')
  }

  #view(): PlanView {
    const { settings } = this.#init
    const { clock, random } = this.#components
    const nowMs = clock.now()
    return {
      nowMs,
      layout: this.blob.layout,
      board: this.#board,
      trust: this.#trust,
      demands: this.#demands.effective(),
      agents: this.swarm.holders,
      duty: this.swarm.duty(nowMs),
      isSettled: this.swarm.isSettled(nowMs),
      isTakingStock: this.blob.layout.kind === 'toc' && (this.#maps.isAwaited(nowMs) || this.#adopter.isBusy),
      isTrackerPending: this.swarm.isTrackerPending(nowMs),
      dutyHolder: lazily(() => this.#duties.ofOrigin(nowMs)),
      crossingHolder: lazily(() => this.#duties.ofCrossing(nowMs)),
      originRunChunks: this.#duties.runChunks,
      mayReadOrigin: this.#access.origins.length > 0 && this.#originRest.isOver(nowMs),
      originReads: this.#fetcher.originReads,
      freeSlots: this.#freeSlots,
      roomInWindow: this.#share.freeChunks,
      settings,
      random,
      isHeld: (chunk) => this.#ingest.isHad(chunk),
    }
  }

  /** Requests that may be added to those in flight; one with nothing in flight always has one, or a full budget would starve it. */
  get #freeSlots(): number {
    const inFlight = this.#fetcher.inFlight
    const affordable = Math.floor(this.#components.budget.freeBytes / Math.max(1, this.#ingest.chunkBytes))
    return Math.min(this.#init.settings.inFlightPerDownload - inFlight, Math.max(affordable, inFlight === 0 ? 1 : 0))
  }

  /** An origin read goes on as long as its next chunk is wanted and nobody nearer can give it. */
  #isStillWantedOfOrigin(chunk: number): boolean {
    if (this.blob.has(chunk) || this.#demands.urgencyOf(chunk) === undefined) return false
    const nowMs = this.#components.clock.now()
    if (this.swarm.duty(nowMs) !== undefined || this.#duties.ofOrigin(nowMs).holderOf(chunk) !== undefined) return false
    if (this.#trust.digestAt(chunk) === undefined) return true
    return !this.swarm.holders.some((peer) => peer.holds(chunk) && peer.isAble(nowMs))
  }

  async #accept(
    chunk: number,
    payload: Lease,
    digest: Uint8Array,
    source: ByteSource,
    peer: PeerState | undefined,
  ): Promise<void> {
    const { byteLength } = payload.bytes
    // Without a disk the same chunks may come again and again, for readers who wait for another that never does.
    const isProgress = this.#waiters.has(chunk) || !this.#ingest.isOverflowing
    const writing = this.#ingest.write(chunk, payload, digest, source)
    // Those who read it need not wait for the disk.
    this.#waiters.held(chunk)
    if (!(await writing)) return
    if (isProgress) this.#patience.progressed()
    if (peer !== undefined) this.#events.receivedFrom(peer.zone, byteLength)
    this.#accepted(chunk, byteLength, digest, source)
  }

  #accepted(chunk: number, sizeBytes: number, digest: Uint8Array, source: ByteSource): void {
    if (source === 'origin') {
      this.#originRest.delivered()
      this.#duties.originGave(this.#components.clock.now())
    }
    this.#stalls.received(sizeBytes)
    this.ledger.add(source, sizeBytes)
    // Others may still be sending the same chunk: it is had, they can stop.
    for (const attempt of this.#board.attemptsOn(chunk)) if (attempt.sourceId !== ORIGIN) attempt.controller.abort(HAD)
    this.#waiters.held(chunk)
    this.#events.chunkHeld(this.ref, chunk, digest, source, sizeBytes)
    if (this.#ingest.hasAll) this.#verify()
    // A chunk of a peer's ends its request, which plans again when its place is free.
    if (source === 'origin') this.#replan()
  }

  /** downloading -> verifying -> complete | downloading */
  #verify(): void {
    if (this.#ingest.isOverflowing) return
    this.#wholeCheck.begin(this.blob, {
      right: async (options) => await this.#completed(options),
      wrong: () => this.#corrupt(),
      ended: () => this.#replan(),
    })
  }

  async #completed(options: AbortOptions): Promise<void> {
    if (this.blob.map === undefined) {
      const signed = await this.#components.makeMap(this.blob, this.swarm.tracker, options)
      if (signed !== undefined) await this.blob.setMap(signed)
    }
    this.#events.completed(this.ref)
  }

  #corrupt(): void {
    this.#components.logger.error({ digest: this.ref.digest }, 'blob does not have its digest: dropped, starting over')
    this.#trust.distrust()
    this.#maps.forget()
    this.#ingest.forgetFresh()
    this.#events.corrupted(this.ref)
    const culprit = this.#suspects.only
    if (culprit !== undefined)
      this.#peerFailed(culprit, new PeerProtocolError('its chunks make a blob with another digest'))
    this.#waiters.failAll(new BlobCorruptError(`blob ${this.ref.digest} does not have its digest`))
  }

  #peerFailed(peer: PeerState, error: unknown): void {
    // One that is merely slow rests; several requests may be under way when a liar is found out, and it lied once.
    if (!(error instanceof ShoalError) || error.blame !== 'peer' || error.retryable) return
    if (!this.swarm.refuse(peer)) return
    this.#components.logger.warn({ peer: peer.id, err: error }, 'peer misbehaved')
    this.#components.network.punish(peer.id, error.code)
  }

  #originFailed(error: unknown): void {
    this.#originRest.failed(error, this.#components.clock.now())
    this.#components.logger.debug({ err: error, digest: this.ref.digest }, 'origin failed')
  }

  /** Readers are told as soon as nothing that could still help is under way. */
  #tick(): void {
    if (this.#isTicking) return
    this.#isTicking = true
    this.#tasks.after(this.#components.clock, TICK_MS, () => {
      this.#isTicking = false
      if (this.#demands.isEmpty || this.blob.isComplete) return
      this.#reviewRequests()
      this.#patience.review(this.#demands.patienceMs)
      this.#replan()
      this.#tick()
    })
  }

  #reviewRequests(): void {
    this.swarm.review(this.#components.clock.now())
    this.#stalls.review(
      (id) => this.swarm.peer(id),
      () => this.#view(),
      {
        move: (attempt, source) => {
          source.stalled(this.#components.clock.now())
          attempt.controller.abort()
        },
        hedge: (peer, chunk) => this.#fetcher.ask(peer, chunk, this.#demands.urgencyOf(chunk) ?? 'background'),
      },
    )
  }
}
