import { type AbortOptions, type BlobRef, type Clock, isAbort } from '../core/index.ts'
import type { SupplyBusy } from '../exchange/index.ts'
import { type BlobHandle, TaskGroup } from '../scheduler/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { chooseChunk, type SeedCandidate } from './seeding-policy.ts'

/** Longest that an agent's want is parked before it hears that we are still at it; well below its patience for silence. */
const PARK_MS = 2_000

/** How soon an agent that found nothing new may ask again. */
const ASK_AGAIN_MS = 50

/** A chunk handed out whose receiver does not report it for this long may be handed out again. */
const LOST_AFTER_MS = 5_000

/** The blob as seeding sees it. */
export interface SeededBlob {
  readonly chunkCount: number
  readonly isComplete: boolean
  has(chunk: number): boolean
  /** Agents known to hold `chunk`. */
  copiesOf(chunk: number): number
  isHeldBy(peerId: string, chunk: number): boolean
}

export interface SeedingComponents {
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * The seeding of one blob: it is fetched whole from the origin once somebody wants any of it, and its chunks are handed
 * to different agents first. Owns what was handed to whom.
 *
 * idle -> fetching -> complete; fetching -> failed, and after `failed` the next want starts over.
 */
export class Seeding {
  readonly ref: BlobRef
  readonly #blob: SeededBlob
  readonly #handle: BlobHandle
  readonly #components: SeedingComponents
  readonly #tasks = new TaskGroup()
  readonly #handedTimes: Uint32Array
  readonly #handedAtMs: Float64Array
  /** When each chunk was last handed to each agent. */
  readonly #handedTo = new Map<string, Map<number, number>>()
  readonly #parked = new Set<(wakes: number) => void>()
  #state: 'idle' | 'fetching' | 'failed' = 'idle'

  constructor(ref: BlobRef, blob: SeededBlob, handle: BlobHandle, components: SeedingComponents) {
    this.ref = ref
    this.#blob = blob
    this.#handle = handle
    this.#components = components
    this.#handedTimes = new Uint32Array(blob.chunkCount)
    this.#handedAtMs = new Float64Array(blob.chunkCount)
  }

  async close(): Promise<void> {
    this.#wakeAll()
    await this.#tasks.close()
    this.#handle.close()
  }

  /** idle | failed -> fetching */
  begin(): void {
    if (this.#state === 'fetching' || this.#blob.isComplete) return
    this.#state = 'fetching'
    this.#tasks.run(async (signal) => {
      try {
        await this.#handle.complete('whole', () => undefined, { signal })
        this.#state = 'idle'
      } catch (error) {
        this.#state = 'failed'
        if (!isAbort(error)) this.#components.logger.warn({ err: error, digest: this.ref.digest }, 'layer not seeded')
      }
      this.#wakeAll()
    })
  }

  /** A chunk has arrived: it is for whoever has waited longest and lacks it. */
  chunkHeld(): void {
    this.#wakeNext(this.#parked.size)
  }

  /** A held chunk that `peerId` should have, waiting for the next to arrive if there is none yet. */
  async take(peerId: string, { signal }: AbortOptions): Promise<number | 'lacks' | SupplyBusy> {
    const { clock } = this.#components
    const untilMs = clock.now() + PARK_MS
    this.begin()
    for (let wakes = 0; ; ) {
      const chunk = this.#choose(peerId)
      if (chunk !== undefined) return this.#hand(peerId, chunk)
      if (this.#state === 'failed') return 'lacks'
      if (this.#blob.isComplete && this.#state !== 'fetching') return { busyMs: ASK_AGAIN_MS * 10, alternates: [] }
      const leftMs = untilMs - clock.now()
      if (leftMs <= 0) return { busyMs: ASK_AGAIN_MS, alternates: [] }
      this.#wakeNext(wakes - 1)
      wakes = await this.#park(leftMs, signal)
    }
  }

  /** Fetches one chunk ahead of the rest. */
  async fetch(start: number, end: number, options: AbortOptions): Promise<boolean> {
    try {
      for await (const _ of this.#handle.read({ start, end }, 'range', options)) break
      return true
    } catch (error) {
      if (isAbort(error)) throw error
      return false
    }
  }

  #choose(peerId: string): number | undefined {
    return chooseChunk(this.#candidatesFor(peerId), this.#blob.isComplete)
  }

  *#candidatesFor(peerId: string): Iterable<SeedCandidate> {
    const given = this.#handedTo.get(peerId)
    const nowMs = this.#components.clock.now()
    for (let chunk = 0; chunk < this.#blob.chunkCount; chunk++) {
      if (!this.#blob.has(chunk) || this.#blob.isHeldBy(peerId, chunk)) continue
      const copies = this.#blob.copiesOf(chunk)
      const handed = this.#handedTimes[chunk] ?? 0
      const isGone = (handedAtMs: number | undefined) => handedAtMs === undefined || nowMs - handedAtMs > LOST_AFTER_MS
      if (!isGone(given?.get(chunk)) || (handed > 0 && copies === 0 && !isGone(this.#handedAtMs[chunk]))) continue
      yield { chunk, handed, copies }
    }
  }

  #hand(peerId: string, chunk: number): number {
    this.#handedTimes[chunk] = (this.#handedTimes[chunk] ?? 0) + 1
    this.#handedAtMs[chunk] = this.#components.clock.now()
    const given = this.#handedTo.get(peerId) ?? new Map<number, number>()
    this.#handedTo.set(peerId, given.set(chunk, this.#components.clock.now()))
    return chunk
  }

  /** Waits its turn; resolves with the number of others that may be woken instead, should it find nothing for itself. */
  async #park(forMs: number, signal: AbortSignal | undefined): Promise<number> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const timer = this.#components.clock.after(forMs, () => resolve(0))
    const onAbort = () => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#parked.add(resolve)
    try {
      return await promise
    } finally {
      timer.clear()
      this.#parked.delete(resolve)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Wakes the first in the queue; it passes the word on when the chunk is of no use to it, `most` times in all. */
  #wakeNext(most: number): void {
    if (most <= 0) return
    for (const resolve of this.#parked) {
      this.#parked.delete(resolve)
      return resolve(most)
    }
  }

  #wakeAll(): void {
    for (const resolve of [...this.#parked]) resolve(0)
  }
}
