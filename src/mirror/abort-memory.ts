import { LRUCache } from 'lru-cache'
import type { Clock, Digest } from '../core/index.ts'
import type { ClientKind } from './client-class.ts'

export interface AbortMemoryInit {
  /** How long a failed blob is refused; default `ABORT_MEMORY_MS`. */
  readonly ttlMs?: number
}

/** containerd comes back at once after a FIN, and may come back from a queue of layers; half a minute covers both. */
const ABORT_MEMORY_MS = 30_000
/** More blobs than one node pulls within half a minute. */
const MAX_ENTRIES = 1024

/**
 * Remembers which blobs broke off in the middle of a body, for which kind of client. A FIN before Content-Length makes
 * containerd ask this mirror again from the offset it reached; told 404 then, it goes on at the origin from that offset.
 */
export class AbortMemory {
  readonly #ttlMs: number
  readonly #clock: Clock
  readonly #untilMsByKey = new LRUCache<string, number>({ max: MAX_ENTRIES })

  constructor(init: AbortMemoryInit, components: { readonly clock: Clock }) {
    this.#ttlMs = init.ttlMs ?? ABORT_MEMORY_MS
    this.#clock = components.clock
  }

  note(kind: ClientKind, digest: Digest): void {
    this.#untilMsByKey.set(`${kind} ${digest}`, this.#clock.now() + this.#ttlMs)
  }

  has(kind: ClientKind, digest: Digest): boolean {
    const untilMs = this.#untilMsByKey.get(`${kind} ${digest}`)
    return untilMs !== undefined && this.#clock.now() < untilMs
  }
}
