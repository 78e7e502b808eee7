import { type Clock, isAbort, type OriginRef } from '../core/index.ts'
import type { OriginClient } from '../origin/index.ts'
import { TaskGroup } from '../scheduler/index.ts'
import type { Store } from '../store/index.ts'
import type { Logger } from '../telemetry/index.ts'

/** A confirmation this young is not asked for again: one small request a repository and hour is nothing to a registry. */
const CONFIRM_EVERY_MS = 3_600_000

/** Longest that the origin is waited for; nobody waits for the answer. */
const CONFIRM_TIMEOUT_MS = 20_000

/** Confirmations under way; beyond them a repository is confirmed when it is next asked for. */
const MAX_UNDER_WAY = 16

export interface PublicRepositoriesInit {
  /** How old a confirmation may be and still count, milliseconds. */
  readonly staleLimitMs: number
}

export interface PublicRepositoriesComponents {
  readonly origin: OriginClient
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * A tracker's knowledge of which repositories anybody may read: it asks the origin without credentials, ahead of time,
 * so that agents can have its word when the origin is down. Kept in the store.
 */
export class PublicRepositories {
  readonly #init: PublicRepositoriesInit
  readonly #components: PublicRepositoriesComponents
  readonly #tasks = new TaskGroup()
  readonly #underWay = new Set<string>()

  constructor(init: PublicRepositoriesInit, components: PublicRepositoriesComponents) {
    this.#init = init
    this.#components = components
  }

  async stop(): Promise<void> {
    await this.#tasks.close()
  }

  isPublic(origin: OriginRef): boolean {
    return this.#ageMs(origin) < this.#init.staleLimitMs
  }

  /** Finds out in the background whether anybody may read `reference` of the repository, unless that was done of late. */
  confirm(origin: OriginRef, reference: string): void {
    const key = `${origin.namespace}/${origin.repository}`
    if (this.#ageMs(origin) < CONFIRM_EVERY_MS) return
    if (this.#underWay.has(key) || this.#underWay.size >= MAX_UNDER_WAY) return
    this.#underWay.add(key)
    this.#tasks.run(async (signal) => {
      try {
        await this.#ask(origin, reference, AbortSignal.any([signal, AbortSignal.timeout(CONFIRM_TIMEOUT_MS)]))
      } catch (error) {
        if (!isAbort(error))
          this.#components.logger.debug({ err: error, ...origin }, 'not known whether anybody may read it')
      } finally {
        this.#underWay.delete(key)
      }
    })
  }

  async #ask(origin: OriginRef, reference: string, signal: AbortSignal): Promise<void> {
    const { store } = this.#components
    const result = await this.#components.origin.probe(origin, { reference }, { signal })
    if (result.outcome === 'allowed' && result.anonymous) store.noteAccess(origin)
    else if (result.outcome === 'challenge' || result.outcome === 'denied') store.forgetAccess(origin)
  }

  #ageMs(origin: OriginRef): number {
    const sinceMs = this.#components.store.access(origin)
    return sinceMs === undefined ? Number.POSITIVE_INFINITY : this.#components.clock.wallTime() - sinceMs
  }
}
