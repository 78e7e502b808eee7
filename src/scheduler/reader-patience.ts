import type { BlobRef, Clock } from '../core/index.ts'
import type { DigestTrust } from './digest-trust.ts'
import { SourcesExhaustedError } from './errors.ts'
import type { Fetcher } from './fetcher.ts'
import type { OriginRest } from './origin-rest.ts'
import type { Swarm } from './swarm.ts'
import type { Waiters } from './waiters.ts'

/** How often a download that knows no peer asks the router again. */
const WALK_AGAIN_MS = 5_000

export interface ReaderPatienceComponents {
  readonly waiters: Waiters
  readonly fetcher: Pick<Fetcher, 'inFlight' | 'isHeldBack'>
  readonly swarm: Swarm
  readonly trust: DigestTrust
  readonly originRest: OriginRest
  readonly hasOrigin: () => boolean
  readonly clock: Clock
}

/** When waiting readers of one download are failed: as soon as nothing can help, and in time when nothing does. */
export class ReaderPatience {
  readonly #ref: BlobRef
  readonly #components: ReaderPatienceComponents
  #lastProgressMs: number
  #lastWalkMs: number

  constructor(ref: BlobRef, components: ReaderPatienceComponents) {
    this.#ref = ref
    this.#components = components
    this.#lastProgressMs = components.clock.now()
    this.#lastWalkMs = this.#lastProgressMs
  }

  /** A reader has come, or something has for one. */
  progressed(): void {
    this.#lastProgressMs = this.#components.clock.now()
  }

  /** Fails readers when nothing that could still help is under way. */
  failIfExhausted(): void {
    const { waiters, fetcher, swarm, trust, originRest, clock } = this.#components
    if (waiters.isEmpty || fetcher.inFlight > 0 || fetcher.isHeldBack) return
    const nowMs = clock.now()
    const hasOrigin = this.#components.hasOrigin()
    if (hasOrigin && originRest.error === undefined) return
    if (!swarm.isSettled(nowMs) || swarm.isSearching || swarm.duty(nowMs) !== undefined) return
    if (hasOrigin && originRest.isOver(nowMs)) return
    const canHelp = (chunk: number) =>
      trust.digestAt(chunk) !== undefined && swarm.holders.some((peer) => peer.holds(chunk))
    if ([...waiters.chunks].some(canHelp)) return
    waiters.failAll(new SourcesExhaustedError(`no source left for ${this.#ref.digest}`, originRest.error))
  }

  /** To be called now and then: asks for more peers where there are none, and fails readers who have waited `patienceMs` in vain. */
  review(patienceMs: number): void {
    const { waiters, swarm, originRest, clock } = this.#components
    const nowMs = clock.now()
    if (swarm.followedCount === 0 && nowMs - this.#lastWalkMs >= WALK_AGAIN_MS) {
      this.#lastWalkMs = nowMs
      swarm.walk()
    }
    if (nowMs - this.#lastProgressMs < patienceMs || waiters.isEmpty) return
    waiters.failAll(new SourcesExhaustedError(`nothing arrived for ${this.#ref.digest}`, originRest.error))
  }
}
