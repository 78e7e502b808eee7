import { type Clock, isAbort, type PeerRef } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { rankByRendezvous } from './origin-duty.ts'
import type { PeerState } from './peer-state.ts'
import type { PeerLink } from './ports.ts'
import type { SchedulerSettings } from './settings.ts'
import type { TaskGroup } from './task-group.ts'
import type { TrackerHealth } from './tracker-health.ts'

/** Rest before trackers that failed are tried again while the download goes on. */
const TRACKER_RETRY_MS = 2_000

/** A tracker that has not said its first word by then is not waited for while there is another. */
const NEXT_AFTER_MS = 1_000

/** A tracker that owes an answer this long is asked for a sign of life, when there is another to go to. */
const PROBE_AFTER_MS = 1_000

/** Without that sign by then the other takes over: long enough for one that is merely loaded, well below a reader's patience. */
const STALL_MS = 2_000

export interface TrackerSeekerInit {
  readonly digest: string
  readonly trackers: readonly PeerRef[]
  readonly settings: SchedulerSettings
  /** A tracker follows all others, for what they hold; an agent follows the one that has duty for the blob. */
  readonly followsAll: boolean
}

export interface TrackerSeekerComponents {
  readonly health: TrackerHealth
  readonly clock: Clock
  readonly logger: Logger
  /** Ended by the owner, before the trackers are left. */
  readonly tasks: TaskGroup
}

/** How trackers are reached, and who hears of them. */
export interface TrackerSeekerListener {
  connect(peer: PeerRef, signal: AbortSignal): Promise<PeerLink>
  follow(link: PeerLink, onLeft: () => void): PeerState
  left(peer: PeerState): void
  changed(): void
}

/**
 * The trackers of one blob: seeks the one with duty, in rendezvous order, and goes on to the next when one does not
 * answer, falls silent or leaves. Owns which trackers are followed, and which of them has duty.
 */
export class TrackerSeeker {
  readonly #init: TrackerSeekerInit
  readonly #components: TrackerSeekerComponents
  readonly #listener: TrackerSeekerListener
  readonly #ranked: readonly PeerRef[]
  readonly #followed = new Map<string, PeerState>()
  readonly #trying = new Map<string, PromiseWithResolvers<void>>()
  readonly #probing = new Set<string>()
  readonly #wanting = new Set<string>()
  #current: PeerState | undefined
  #isSeeking = false
  #soughtMs = 0
  /** When trackers that failed may be tried again. */
  #retryAtMs = 0

  constructor(init: TrackerSeekerInit, components: TrackerSeekerComponents, listener: TrackerSeekerListener) {
    this.#init = init
    this.#components = components
    this.#listener = listener
    const byId = new Map(init.trackers.map((tracker) => [tracker.id, tracker]))
    this.#ranked = rankByRendezvous(init.digest, [...byId.keys()]).flatMap((id) => byId.get(id) ?? [])
    const giveUp = () => this.#trying.forEach(({ resolve }) => resolve())
    components.tasks.signal.addEventListener('abort', giveUp, { once: true })
  }

  /** Trackers that are followed, in the order in which duty falls to them. */
  get followed(): readonly PeerState[] {
    return this.#ranked.flatMap(({ id }) => this.#followed.get(id) ?? [])
  }

  get(id: string): PeerState | undefined {
    return this.#followed.get(id)
  }

  /** The tracker that has duty or, with none that can, any that is followed: it vouches and has the map. */
  get current(): PeerState | undefined {
    return this.#current ?? this.followed[0]
  }

  /** The first word of a tracker that is believed to answer is still awaited, and not for too long. */
  isPending(nowMs: number): boolean {
    if (!this.#isSeeking || (!this.#init.followsAll && this.#hasAnswer())) return false
    if (nowMs - this.#soughtMs >= this.#init.settings.trackerPatienceMs) return false
    const { health } = this.#components
    return this.#ranked.some(({ id }) => !health.isSilent(id) && this.#followed.get(id)?.hasReported !== true)
  }

  /** Begins to look for a tracker, unless that is under way. */
  seek(): void {
    if (this.#isSeeking || this.#ranked.length === 0) return
    this.#isSeeking = true
    this.#soughtMs = this.#components.clock.now()
    this.#components.tasks.run(async (signal) => {
      await this.#tryInTurn(signal)
      this.#isSeeking = false
      if (signal.aborted) return
      this.#retryAtMs = this.#components.clock.now() + TRACKER_RETRY_MS
      this.#listener.changed()
    })
  }

  /** The tracker that fetches for the cluster what nobody has. The same one as long as it is there and can. */
  duty(nowMs: number): PeerState | undefined {
    if (this.#init.followsAll) return undefined
    if (this.#current !== undefined && this.#canSeed(this.#current, nowMs)) return this.#current
    this.#current = this.followed.find((tracker) => this.#canSeed(tracker, nowMs))
    return this.#current
  }

  /** `tracker` has told what it holds. */
  reported(tracker: PeerState): void {
    this.#components.health.heard(tracker.id)
    this.#trying.get(tracker.id)?.resolve()
  }

  /** The tracker `id` follows us: it downloads the blob too. */
  wants(id: string): void {
    this.#wanting.add(id)
    const tracker = this.#followed.get(id)
    if (tracker !== undefined) tracker.isWanting = true
  }

  /** To be called every now and then while the download goes on: finds those that have fallen silent or are heard again. */
  review(nowMs: number): void {
    const { health } = this.#components
    if (!this.#hasAnswer() && nowMs >= this.#retryAtMs) this.seek()
    for (const tracker of this.#followed.values()) {
      const silentMs = nowMs - tracker.lastHeardMs
      if (tracker.hasReported && health.isSilent(tracker.id) && silentMs < PROBE_AFTER_MS) health.heard(tracker.id)
      if (!isAwaited(tracker, nowMs)) continue
      if (silentMs > PROBE_AFTER_MS && this.#hasOther(tracker)) this.#probe(tracker)
      if (!this.#isSilent(tracker, nowMs) || health.isSilent(tracker.id)) continue
      this.#components.logger.debug({ peer: tracker.id, silentMs }, 'tracker has fallen silent')
      health.fellSilent(tracker.id)
      this.seek()
    }
  }

  close(): void {
    for (const tracker of [...this.#followed.values()]) tracker.following.close()
  }

  /** Those that were silent are tried without waiting for them; of the others the next only when one does not answer. */
  async #tryInTurn(signal: AbortSignal): Promise<void> {
    const { health } = this.#components
    const silent = this.#ranked.filter(({ id }) => health.isSilent(id))
    const others = this.#ranked.filter((tracker) => !silent.includes(tracker))
    const answers = silent.map((peer) => this.#try(peer))
    for (const [index, peer] of others.entries()) {
      if (signal.aborted || (!this.#init.followsAll && this.#hasAnswer())) return
      const answer = this.#try(peer)
      answers.push(answer)
      if (!this.#init.followsAll && index < others.length - 1) await this.#within(NEXT_AFTER_MS, peer, answer)
    }
    if (this.#init.followsAll || !this.#hasAnswer()) await Promise.all(answers)
  }

  /** Follows `peer`; resolves with its first word, or when there will be none in time. */
  #try(peer: PeerRef): Promise<void> {
    const underWay = this.#trying.get(peer.id)?.promise
    if (underWay !== undefined) return underWay
    if (this.#followed.has(peer.id)) return Promise.resolve()
    const answer = Promise.withResolvers<void>()
    const { clock, health, logger, tasks, settings } = { ...this.#components, ...this.#init }
    this.#trying.set(peer.id, answer)
    tasks.run(async (signal) => {
      const timer = clock.after(settings.trackerPatienceMs, () => {
        health.fellSilent(peer.id)
        answer.resolve()
      })
      try {
        await this.#follow(peer, signal)
        await answer.promise
      } catch (error) {
        if (signal.aborted) return
        health.fellSilent(peer.id)
        logger.debug({ peer: peer.id, err: error }, 'tracker not reached')
      } finally {
        timer.clear()
        answer.resolve()
        this.#trying.delete(peer.id)
        if (!signal.aborted) this.#listener.changed()
      }
    })
    return answer.promise
  }

  async #follow(peer: PeerRef, signal: AbortSignal): Promise<void> {
    const link = await this.#listener.connect(peer, signal)
    signal.throwIfAborted()
    const state: PeerState = this.#listener.follow(link, () => this.#left(state))
    if (state.isGone) return this.#trying.get(peer.id)?.resolve()
    state.isWanting = this.#wanting.has(peer.id)
    this.#followed.set(peer.id, state)
    this.#listener.changed()
  }

  #left(tracker: PeerState): void {
    if (!this.#followed.delete(tracker.id)) return
    this.#trying.get(tracker.id)?.resolve()
    if (this.#current === tracker) this.#current = undefined
    // Its connection is gone, so the next download need not wait for it.
    if (!this.#components.tasks.signal.aborted) this.#components.health.fellSilent(tracker.id)
    this.#listener.left(tracker)
    this.seek()
  }

  async #within(waitMs: number, peer: PeerRef, answer: Promise<void>): Promise<void> {
    const { clock, health } = this.#components
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = clock.after(waitMs, () => {
      health.fellSilent(peer.id)
      resolve()
    })
    await Promise.race([answer, promise])
    timer.clear()
  }

  /** Asks for its map, which one that lives answers at once, whether or not it has one. */
  #probe(tracker: PeerState): void {
    if (this.#probing.has(tracker.id)) return
    this.#probing.add(tracker.id)
    const { clock, tasks, logger } = this.#components
    tasks.run(async (signal) => {
      const deadline = new AbortController()
      const timer = clock.after(STALL_MS, () => deadline.abort())
      try {
        await tracker.following.requestMap({ signal: AbortSignal.any([signal, deadline.signal]) })
        tracker.lastHeardMs = clock.now()
      } catch (error) {
        if (!isAbort(error)) logger.debug({ peer: tracker.id, err: error }, 'tracker gave no sign of life')
      } finally {
        timer.clear()
        this.#probing.delete(tracker.id)
      }
    })
  }

  #hasAnswer(): boolean {
    const { health } = this.#components
    return [...this.#followed.values()].some((tracker) => tracker.hasReported && !health.isSilent(tracker.id))
  }

  #hasOther(tracker: PeerState): boolean {
    return this.#ranked.some(({ id }) => id !== tracker.id && !this.#components.health.isSilent(id))
  }

  #canSeed(tracker: PeerState, nowMs: number): boolean {
    return !tracker.cannotSeed && !this.#components.health.isSilent(tracker.id) && !this.#isSilent(tracker, nowMs)
  }

  #isSilent(tracker: PeerState, nowMs: number): boolean {
    const patienceMs = this.#hasOther(tracker) ? STALL_MS : this.#init.settings.trackerSilenceMs
    return isAwaited(tracker, nowMs) && nowMs - tracker.lastHeardMs > patienceMs
  }
}

/** It owes an answer, or is left alone for having owed one too long. */
function isAwaited(tracker: PeerState, nowMs: number): boolean {
  return tracker.inFlight > 0 || (tracker.stalls > 0 && tracker.restUntilMs > nowMs)
}
