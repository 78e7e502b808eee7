import type { BlobRef, Digest } from '../core/index.ts'
import type { LazyRead, OriginAccess } from '../scheduler/index.ts'

/** Layers remembered: those of some tens of images, with the rights of their readers. */
const MAX_LAYERS = 256

/** A layer that nobody has read for so long is of a container that has gone, or has all it needs. */
const FORGET_MS = 60 * 60_000

/** Failures until a layer is left alone; with the pauses between them a quarter of an hour passes. */
const MAX_FAILURES = 5

/** After the first failure; doubled with each further one. */
const FIRST_PAUSE_MS = 60_000

/** How soon a layer without room is looked at again: room comes with an eviction, which is rare. */
const ROOM_PAUSE_MS = 30_000

/** Why a layer has to wait. */
export type Obstacle = 'room' | 'failed'

/** A layer that a client has read a part of. */
export interface QueuedLayer {
  readonly ref: BlobRef
  /** As the latest reader had it. */
  readonly access: OriginAccess
  /** Layers of one image stand together. */
  readonly image: string
  readonly queuedMs: number
  readonly touchedMs: number
  readonly failures: number
  /** Not to be begun before `notBeforeMs`, because of this. */
  readonly obstacle: Obstacle | undefined
  readonly notBeforeMs: number
}

/**
 * Layers to be completed: those of the image that was read last come first, and of these the one that was. Bounded; what
 * was read longest ago is forgotten. A layer that failed too often stays, so that the next read does not begin it anew.
 */
export class CompletionQueue {
  /** The one read last comes last. */
  readonly #layers = new Map<Digest, QueuedLayer>()
  #lastImage: string | undefined

  /** Enters a layer, or moves it to the front; true when it is new. */
  touch({ ref, access }: Pick<LazyRead, 'ref' | 'access'>, nowMs: number): boolean {
    const known = this.#layers.get(ref.digest)
    const former = known !== undefined && nowMs - known.notBeforeMs < FORGET_MS ? known : undefined
    const image = imageOf(access)
    this.#lastImage = image
    const fresh = { queuedMs: nowMs, failures: 0, obstacle: undefined, notBeforeMs: nowMs }
    this.#layers.delete(ref.digest)
    this.#layers.set(ref.digest, { ...(former ?? fresh), ref, access, image, touchedMs: nowMs })
    for (const oldest of this.#layers.keys()) {
      if (this.#layers.size <= MAX_LAYERS) break
      this.#layers.delete(oldest)
    }
    return former === undefined
  }

  /** False when it was not there. */
  delete(digest: Digest): boolean {
    return this.#layers.delete(digest)
  }

  /** The layer to go on with, if one may be. */
  next(nowMs: number): QueuedLayer | undefined {
    this.#forget(nowMs)
    const ready = this.waiting().filter(({ notBeforeMs }) => notBeforeMs <= nowMs)
    return ready.find(({ image }) => image === this.#lastImage) ?? ready[0]
  }

  /** When the next layer may be begun; never, when none waits. */
  get nextMs(): number {
    return Math.min(...this.waiting().map(({ notBeforeMs }) => notBeforeMs))
  }

  /** There is no room for it now. */
  lacksRoom(digest: Digest, nowMs: number): void {
    this.#change(digest, { obstacle: 'room', notBeforeMs: nowMs + ROOM_PAUSE_MS })
  }

  /** It failed; false when it is not tried again. */
  failed(digest: Digest, nowMs: number): boolean {
    const failures = (this.#layers.get(digest)?.failures ?? 0) + 1
    const notBeforeMs = nowMs + FIRST_PAUSE_MS * 2 ** (failures - 1)
    this.#change(digest, { failures, obstacle: 'failed', notBeforeMs })
    return failures < MAX_FAILURES
  }

  /** It is being fetched. */
  begun(digest: Digest): void {
    this.#change(digest, { obstacle: undefined })
  }

  /** Those that are still to be completed, the last read first. */
  waiting(): QueuedLayer[] {
    return [...this.#layers.values()].filter(({ failures }) => failures < MAX_FAILURES).reverse()
  }

  /** Keeps its place. */
  #change(digest: Digest, change: Partial<QueuedLayer>): void {
    const layer = this.#layers.get(digest)
    if (layer !== undefined) this.#layers.set(digest, { ...layer, ...change })
  }

  #forget(nowMs: number): void {
    for (const [digest, { touchedMs }] of this.#layers) {
      if (nowMs - touchedMs < FORGET_MS) break
      this.#layers.delete(digest)
    }
  }
}

/** A layer may be had from several repositories; the first is the one that the reader named. */
function imageOf({ origins: [origin] }: OriginAccess): string {
  return origin === undefined ? '' : `${origin.namespace}/${origin.repository}`
}
