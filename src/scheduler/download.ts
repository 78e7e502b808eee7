import { type AbortOptions, type BlobRef, isAbort, PeerProtocolError, ShoalError } from '../core/index.ts'
import { ChunkBoard, ORIGIN } from './chunk-board.ts'
import { type Demand, urgencyAmong, windowsOf } from './demand.ts'
import { DigestTrust } from './digest-trust.ts'
import { type DownloadComponents, type DownloadEvents } from './download-components.ts'
import { BlobCorruptError, SourcesExhaustedError } from './errors.ts'
import { type ByteSource, FetchLedger } from './fetch-ledger.ts'
import { Fetcher } from './fetcher.ts'
import { HedgeBudget, judge } from './hedge.ts'
import { OverflowBlob } from './overflow-blob.ts'
import { OriginRest } from './origin-rest.ts'
import type { PeerState } from './peer-state.ts'
import { PeerDuty } from './peer-duty.ts'
import { type Action, chooseHolder, plan, type PlanView } from './plan.ts'
import type { OriginAccess, StoredBlob } from './ports.ts'
import type { SchedulerSettings } from './settings.ts'
import { Suspects } from './suspects.ts'
import { Swarm } from './swarm.ts'
import { TaskGroup } from './task-group.ts'
import { Waiters } from './waiters.ts'

/** How often a download with work to do looks for what has stalled. */
const TICK_MS = 100

/** How often a download that knows no peer asks the router again. */
const WALK_AGAIN_MS = 5_000

export interface DownloadInit {
  readonly selfId: string
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
  readonly #hedges: HedgeBudget
  readonly #waiters = new Waiters()
  readonly #demands = new Set<Demand>()
  readonly #tasks = new TaskGroup()
  readonly #mapAsked = new Set<string>()
  readonly #peerDuty: PeerDuty
  readonly #fetched = new Set<number>()
  readonly #writing = new Set<number>()
  #blob: StoredBlob
  #access: OriginAccess
  #isPlanned = false
  #isTicking = false
  #verifying: Promise<void> | undefined
  #usualMs: number
  #lastProgressMs: number
  #lastWalkMs: number

  constructor(blob: StoredBlob, init: DownloadInit, components: DownloadComponents, events: DownloadEvents) {
    const { settings } = init
    this.ref = blob.ref
    this.#blob = blob
    this.#access = init.access
    this.#init = init
    this.#components = components
    this.#events = events
    this.#usualMs = settings.usualGuessMs
    this.#lastProgressMs = components.clock.now()
    this.#lastWalkMs = this.#lastProgressMs
    this.#board = new ChunkBoard(blob.layout.chunkCount)
    this.#trust = new DigestTrust(blob.layout.chunkCount, settings.agreement, components.isTrustedSigner)
    if (blob.map !== undefined) this.#trust.offerMap(blob.map)
    this.#peerDuty = new PeerDuty(blob.ref.digest)
    this.#hedges = new HedgeBudget(settings.hedgeShare)
    this.swarm = new Swarm(
      { selfId: init.selfId, ref: this.ref, chunkCount: blob.layout.chunkCount, access: () => this.#access, settings },
      components,
      {
        gained: (peer, chunks, digests) => this.#gained(peer, chunks, digests),
        left: (peer) => this.#left(peer),
        changed: () => this.#replan(),
      },
    )
    this.#fetcher = new Fetcher(
      { ref: this.ref, layout: blob.layout, access: () => this.#access, settings },
      {
        board: this.#board,
        trust: this.#trust,
        suspects: this.#suspects,
        budget: components.budget,
        origin: components.origin,
        clock: components.clock,
        random: components.random,
        hash: components.hash,
      },
      {
        accept: async (chunk, bytes, digest, source) => await this.#accept(chunk, bytes, digest, source),
        adopt: async (chunk, digest) => await this.#adopt(chunk, digest),
        isStillWanted: (chunk) => this.#isStillWantedOfOrigin(chunk),
        tookMs: (ms) => void (this.#usualMs += (ms - this.#usualMs) / 4),
        peerFailed: (peer, error) => this.#peerFailed(peer, error),
        originFailed: (error) => this.#originFailed(error),
        ended: () => this.#replan(),
      },
    )
  }

  start(): void {
    if (!this.#blob.isComplete) this.swarm.start()
    if (this.#blob.heldCount === this.#blob.layout.chunkCount && !this.#blob.isComplete) this.#verify()
  }

  async close(): Promise<void> {
    this.#waiters.failAll(
      new ShoalError('download closed', { code: 'DOWNLOAD_CLOSED', blame: 'local', retryable: true }),
    )
    await Promise.all([this.#tasks.close(), this.#fetcher.close(), this.swarm.close()])
    this.#blob.release()
  }

  get blob(): StoredBlob {
    return this.#blob
  }

  /** Readers and completions under way. */
  get demandCount(): number {
    return this.#demands.size
  }

  /** Bytes held, near enough for a progress bar: the last chunk counts as a full one until all are there. */
  get heldBytes(): number {
    const { heldCount, layout } = this.#blob
    return Math.min(this.ref.sizeBytes, heldCount * (layout.chunkCount > 0 ? layout.lengthOf(0) : 0))
  }

  /** Followed agents that hold `chunk`. */
  copiesOf(chunk: number): number {
    return this.#board.copiesOf(chunk)
  }

  isHeldBy(peerId: string, chunk: number): boolean {
    return this.swarm.agent(peerId)?.holds(chunk) ?? false
  }

  /** Whether this download brought `chunk` itself, rather than finding it in the store. */
  wasFetched(chunk: number): boolean {
    return this.#fetched.has(chunk)
  }

  /** Resolves when the check of the whole blob that may be under way has ended. */
  async verified({ signal }: AbortOptions): Promise<void> {
    while (this.#verifying !== undefined) {
      signal?.throwIfAborted()
      await this.#verifying
    }
  }

  /** A client that came later may have a right that is still good when the first one's has expired. */
  renewAccess(access: OriginAccess): void {
    if (access.authorization !== undefined || this.#access.origins.length === 0) this.#access = access
  }

  /** Adds a reader's demand. */
  want(demand: Demand): void {
    this.#demands.add(demand)
    this.#lastProgressMs = this.#components.clock.now()
    this.#replan()
    this.#tick()
  }

  /** Ends `demand`; what only it wanted is cancelled. */
  unwant(demand: Demand): void {
    if (!this.#demands.delete(demand)) return
    for (const attempt of [...this.#board.attempts()]) {
      if (attempt.sourceId !== ORIGIN && this.#urgencyOf(attempt.chunk) === undefined) attempt.controller.abort()
    }
    if (this.#demands.size === 0) this.#fetcher.cancelAll()
  }

  /** Resolves once `chunk` can be read from the blob; rejects when no source is left. */
  async held(chunk: number, demand: Demand, options: AbortOptions): Promise<void> {
    while (!this.#blob.has(chunk)) {
      demand.waits(this.#components.clock.now())
      this.#replan()
      await this.#waiters.wait(chunk, options)
    }
  }

  #gained(peer: PeerState, chunks: readonly number[], digests: readonly Uint8Array[]): void {
    const isTracker = peer.role === 'tracker'
    for (const [index, chunk] of chunks.entries()) {
      if (peer.gains(chunk) && !isTracker) this.#board.addCopy(chunk)
      const digest = digests[index]
      if (digest === undefined) continue
      if (isTracker) this.#trust.vouch(chunk, digest)
      else this.#trust.claim(peer.id, chunk, digest)
    }
    if (chunks.length > 0) this.#seekMap(peer)
  }

  #left(peer: PeerState): void {
    if (peer.role === 'tracker') return
    for (let chunk = 0; chunk < this.#blob.layout.chunkCount; chunk++)
      if (peer.holds(chunk)) this.#board.removeCopy(chunk)
  }

  /** Whoever holds the whole blob has a map of it; each is asked once. */
  #seekMap(peer: PeerState): void {
    if (this.#trust.isWhole || this.#mapAsked.has(peer.id) || !peer.holdsAll) return
    this.#mapAsked.add(peer.id)
    this.#tasks.run(async (signal) => {
      try {
        const signed = await peer.following.requestMap({ signal })
        const { digest, sizeBytes } = this.ref
        if (signed?.map.blobDigest !== digest || signed.map.sizeBytes !== sizeBytes) return
        this.#trust.offerMap(signed)
        this.#replan()
      } catch (error) {
        if (!isAbort(error)) this.#components.logger.debug({ peer: peer.id, err: error }, 'chunk map not had')
      }
    })
  }

  /** Plans once for all that happens in this turn. */
  #replan(): void {
    if (this.#isPlanned || this.#tasks.signal.aborted) return
    this.#isPlanned = true
    queueMicrotask(() => {
      this.#isPlanned = false
      if (!this.#tasks.signal.aborted) this.#act()
    })
  }

  #act(): void {
    if (this.#blob.isComplete || this.#verifying !== undefined || this.#demands.size === 0) return
    for (const action of plan(this.#view())) this.#perform(action)
    this.#failIfExhausted()
  }

  #perform(action: Action): void {
    if (action.kind === 'read-origin') this.#fetcher.readOrigin(action.start, action.count)
    else if (action.kind === 'ask-any') this.#fetcher.ask(action.peer, 'any')
    else this.#fetcher.ask(action.peer, action.chunk)
  }

  #view(): PlanView {
    const { settings } = this.#init
    const { clock, budget, random } = this.#components
    const nowMs = clock.now()
    const inFlight = this.#fetcher.inFlight
    const affordable = Math.floor(budget.freeBytes / Math.max(1, this.#blob.layout.lengthOf(0)))
    return {
      nowMs,
      layout: this.#blob.layout,
      board: this.#board,
      trust: this.#trust,
      demands: this.#effectiveDemands(),
      agents: this.swarm.agents,
      duty: this.swarm.duty(nowMs),
      isSettled: this.swarm.isSettled(nowMs),
      dutyHolder: (chunk) => this.#dutyHolder(chunk, nowMs),
      mayReadOrigin: this.#access.origins.length > 0 && this.#originRest.isOver(nowMs),
      originReads: this.#fetcher.originReads,
      // A download with nothing in flight always gets one slot, or a full budget would starve it.
      freeSlots: Math.min(settings.inFlightPerDownload - inFlight, Math.max(affordable, inFlight === 0 ? 1 : 0)),
      settings,
      random,
      isHeld: (chunk) => this.#blob.has(chunk) || this.#writing.has(chunk),
    }
  }

  /** With no disk to hold it, nothing beyond what readers need next is fetched. */
  #effectiveDemands(): Demand[] {
    return this.#blob instanceof OverflowBlob ? windowsOf(this.#demands) : [...this.#demands]
  }

  #urgencyOf(chunk: number) {
    const nowMs = this.#components.clock.now()
    return urgencyAmong(this.#effectiveDemands(), chunk, this.#blob.layout, nowMs, this.#init.settings)
  }

  /** An origin read goes on as long as its next chunk is wanted and nobody nearer can give it. */
  #isStillWantedOfOrigin(chunk: number): boolean {
    if (this.#blob.has(chunk) || this.#urgencyOf(chunk) === undefined) return false
    const nowMs = this.#components.clock.now()
    if (this.swarm.duty(nowMs) === undefined && this.#dutyHolder(chunk, nowMs) !== undefined) return false
    if (this.#trust.digestAt(chunk) === undefined) return true
    return !this.swarm.agents.some((peer) => peer.holds(chunk) && peer.restUntilMs <= nowMs)
  }

  /** Of the agents that want the blob too and have been heard of lately, the one with duty for `chunk`; `undefined`: we have. */
  #dutyHolder(chunk: number, nowMs: number): PeerState | undefined {
    const { dutyPatienceMs } = this.#init.settings
    const isOnDuty = (peer: PeerState) =>
      peer.restUntilMs <= nowMs && nowMs - peer.lastHeardMs < dutyPatienceMs && !peer.holds(chunk)
    const members = this.swarm.agents.filter(isOnDuty).map(({ id }) => id)
    const holder = this.#peerDuty.holderOf(chunk, [this.#init.selfId, ...members])
    return holder === undefined ? undefined : this.swarm.agent(holder)
  }

  async #accept(chunk: number, bytes: Uint8Array, digest: Uint8Array, source: ByteSource): Promise<void> {
    // The same chunk may arrive twice, from a hedge or because a tracker chose what a peer was asked for.
    if (this.#blob.has(chunk) || this.#writing.has(chunk)) return
    this.#writing.add(chunk)
    try {
      await this.#write(chunk, bytes, digest)
    } finally {
      this.#writing.delete(chunk)
    }
    this.#accepted(chunk, bytes.byteLength, digest, source)
  }

  /** A pull does not fail because the disk does. */
  async #write(chunk: number, bytes: Uint8Array, digest: Uint8Array): Promise<void> {
    try {
      await this.#blob.write(chunk, bytes, digest)
    } catch (error) {
      if (isAbort(error)) throw error
      this.#components.logger.warn({ err: error, digest: this.ref.digest }, 'chunk not stored, passing it through')
      this.#blob = new OverflowBlob(this.ref, this.#blob.layout, this.#blob)
      await this.#blob.write(chunk, bytes, digest)
    }
  }

  async #adopt(chunk: number, digest: Uint8Array): Promise<boolean> {
    if (this.#blob.has(chunk)) return true
    if (!(await this.#blob.adopt(chunk, digest))) return false
    this.#accepted(chunk, this.#blob.layout.lengthOf(chunk), digest, 'store')
    return true
  }

  #accepted(chunk: number, sizeBytes: number, digest: Uint8Array, source: ByteSource): void {
    this.#lastProgressMs = this.#components.clock.now()
    if (source === 'origin') this.#originRest.delivered()
    this.#hedges.received(sizeBytes)
    this.ledger.add(source, sizeBytes)
    if (source !== 'store') this.#fetched.add(chunk)
    // Others may still be sending the same chunk: it is had, they can stop.
    for (const attempt of this.#board.attemptsOn(chunk)) if (attempt.sourceId !== ORIGIN) attempt.controller.abort()
    this.#waiters.held(chunk)
    this.#events.chunkHeld(this.ref, chunk, digest, source, sizeBytes)
    if (this.#blob.heldCount === this.#blob.layout.chunkCount) this.#verify()
    this.#replan()
  }

  /** downloading -> verifying -> complete | downloading */
  #verify(): void {
    if (this.#verifying !== undefined || this.#blob instanceof OverflowBlob) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#verifying = promise
    this.#tasks.run(async (signal) => {
      try {
        const isRight = await this.#blob.verifyWhole({ signal })
        if (isRight) await this.#completed(signal)
        else this.#corrupt()
      } catch (error) {
        if (!isAbort(error)) this.#components.logger.error({ err: error, digest: this.ref.digest }, 'blob not verified')
      } finally {
        this.#verifying = undefined
        resolve()
        this.#replan()
      }
    })
  }

  async #completed(signal: AbortSignal): Promise<void> {
    if (this.#blob.map === undefined) {
      const signed = await this.#components.makeMap(this.#blob, this.swarm.tracker, { signal })
      if (signed !== undefined) await this.#blob.setMap(signed)
    }
    this.#events.completed(this.ref)
  }

  #corrupt(): void {
    this.#components.logger.error({ digest: this.ref.digest }, 'blob does not have its digest: dropped, starting over')
    this.#trust.distrust()
    this.#mapAsked.clear()
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
  #failIfExhausted(): void {
    if (this.#waiters.isEmpty || this.#fetcher.inFlight > 0) return
    const nowMs = this.#components.clock.now()
    const hasOrigin = this.#access.origins.length > 0
    if (hasOrigin && this.#originRest.error === undefined) return
    if (!this.swarm.isSettled(nowMs) || this.swarm.isSearching || this.swarm.duty(nowMs) !== undefined) return
    if (hasOrigin && this.#originRest.isOver(nowMs)) return
    const canHelp = (chunk: number) =>
      this.#trust.digestAt(chunk) !== undefined && this.swarm.agents.some((peer) => peer.holds(chunk))
    if ([...this.#waiters.chunks].some(canHelp)) return
    this.#waiters.failAll(new SourcesExhaustedError(`no source left for ${this.ref.digest}`, this.#originRest.error))
  }

  #tick(): void {
    if (this.#isTicking) return
    this.#isTicking = true
    this.#tasks.after(this.#components.clock, TICK_MS, () => {
      this.#isTicking = false
      if (this.#demands.size === 0 || this.#blob.isComplete) return
      this.#moveStalled()
      this.#giveUp()
      this.#replan()
      this.#tick()
    })
  }

  #moveStalled(): void {
    const nowMs = this.#components.clock.now()
    const { settings } = this.#init
    for (const attempt of [...this.#board.attempts()]) {
      const source = this.swarm.peer(attempt.sourceId)
      if (source === undefined || this.#board.attemptsOn(attempt.chunk).length > 1) continue
      const verdict = judge(attempt, source, this.#usualMs, nowMs, settings)
      if (verdict === 'leave') continue
      if (verdict === 'move') {
        source.stalled(nowMs)
        attempt.controller.abort()
        continue
      }
      this.#hedge(attempt.chunk, source)
    }
  }

  #hedge(chunk: number, slow: PeerState): void {
    const view = this.#view()
    const isFree = (peer: PeerState) =>
      peer !== slow && peer.restUntilMs <= view.nowMs && peer.inFlight < view.settings.depthPerPeer
    const other = chooseHolder(view, chunk, isFree)
    if (other === undefined || view.freeSlots <= 0 || !this.#hedges.take(this.#blob.layout.lengthOf(chunk))) return
    this.#fetcher.ask(other, chunk)
  }

  #giveUp(): void {
    const nowMs = this.#components.clock.now()
    if (this.swarm.followedCount === 0 && nowMs - this.#lastWalkMs >= WALK_AGAIN_MS) {
      this.#lastWalkMs = nowMs
      this.swarm.walk()
    }
    if (nowMs - this.#lastProgressMs < this.#init.settings.readerGiveUpMs || this.#waiters.isEmpty) return
    this.#waiters.failAll(new SourcesExhaustedError(`nothing arrived for ${this.ref.digest}`, this.#originRest.error))
  }
}
