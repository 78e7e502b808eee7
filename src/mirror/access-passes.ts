import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock, OriginRef } from '../core/index.ts'
import type { AccessSubject } from './ports.ts'

/** A caller as the gate remembers it: a hash of its credentials, never the credentials. */
export type CallerKey = string

/** Stands for every caller, where the origin lets anybody read. */
export const ANYBODY: CallerKey = '*'

/** The key of a caller by its Authorization header. */
export function callerKey(authorization: string | undefined): CallerKey {
  return authorization === undefined ? '-' : createHash('sha256').update(authorization).digest('base64url')
}

export interface AccessPassesInit {
  readonly ttlMs: number
  readonly maxEntries: number
}

/**
 * Which callers the origin let into which repositories, and to which of their contents, within the last `ttlMs`. Bounded; a
 * pass that was pushed out is asked for again.
 */
export class AccessPasses {
  readonly #ttlMs: number
  readonly #clock: Clock
  readonly #sinceMsByKey: LRUCache<string, number>

  constructor(init: AccessPassesInit, components: { readonly clock: Clock }) {
    this.#ttlMs = init.ttlMs
    this.#clock = components.clock
    this.#sinceMsByKey = new LRUCache({ max: init.maxEntries })
  }

  /** Notes that the origin gave `subject` of a repository to `caller`, and with it access to the repository. */
  note(caller: CallerKey, origin: OriginRef, subject: AccessSubject): void {
    const nowMs = this.#clock.now()
    this.#sinceMsByKey.set(repositoryKey(caller, origin), nowMs)
    this.#sinceMsByKey.set(subjectKey(caller, origin, subject), nowMs)
  }

  /** Takes a caller's access to a repository back. */
  revoke(caller: CallerKey, origin: OriginRef): void {
    this.#sinceMsByKey.delete(repositoryKey(caller, origin))
  }

  /** Milliseconds since `caller` was let into the repository, `undefined` when that is too long ago or never was. */
  repositoryAgeMs(caller: CallerKey, origin: OriginRef): number | undefined {
    return this.#ageMs(repositoryKey(caller, origin))
  }

  /** The same for one subject of the repository. */
  subjectAgeMs(caller: CallerKey, origin: OriginRef, subject: AccessSubject): number | undefined {
    return this.#ageMs(subjectKey(caller, origin, subject))
  }

  #ageMs(key: string): number | undefined {
    const sinceMs = this.#sinceMsByKey.get(key)
    if (sinceMs === undefined) return undefined
    const ageMs = this.#clock.now() - sinceMs
    return ageMs < this.#ttlMs ? ageMs : undefined
  }
}

function repositoryKey(caller: CallerKey, { namespace, repository }: OriginRef): string {
  return `${caller} ${namespace}/${repository}`
}

/** One text for one caller, repository and subject. */
export function subjectKey(caller: CallerKey, origin: OriginRef, { kind, reference }: AccessSubject): string {
  return `${repositoryKey(caller, origin)} ${kind} ${reference}`
}
