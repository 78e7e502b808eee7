import { type AbortOptions, type BlobRef, type Clock, isAbort } from '../core/index.ts'
import type { SupplyBusy } from '../exchange/index.ts'
import { type BlobHandle, TaskGroup } from '../scheduler/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { chooseChunk, type SeedCandidate } from './seeding-policy.ts'
import type { Turns } from './turns.ts'

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
  /** How long a chunk is only told of before it is handed out, so that whoever has it already says so. */
  readonly offerMs: number
  has(chunk: number): boolean
  /** Agents known to hold `chunk`. */
  copiesOf(chunk: number): number
  isHeldBy(peerId: string, chunk: number): boolean
  /** Whether `peerId` was there and is not any more. */
  hasLeft(peerId: string): boolean
}

export interface SeedingComponents {
  readonly turns: Turns
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
  /** When each chunk that has come lately may be handed out. */
  readonly #offeredUntilMs = new Map<number, number>()
  /** To whom each chunk was handed last. */
  readonly #receivers = new Map<number, string>()
  /** When each chunk was last handed to each agent. */
  readonly #handedTo = new Map<string, Map<number, number>>()
  /** Who waits for a chunk, in the order in which they came. */
  readonly #parked = new Map<(wakes: number) => void, string>()
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
  chunkHeld(chunk: number): void {
    const { clock } = this.#components
    const { offerMs } = this.#blob
    if (offerMs === 0) return this.#wakeNext(this.#parked.size)
    this.#offeredUntilMs.set(chunk, clock.now() + offerMs)
    this.#tasks.after(clock, offerMs, () => {
      this.#offeredUntilMs.delete(chunk)
      this.#wakeNext(this.#parked.size)
    })
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
      wakes = await this.#park(peerId, leftMs, signal)
    }
  }

  /** Fetches one chunk ahead of the rest. */
  async fetch(start: number, end: number, options: AbortOptions): Promise<boolean> {
    try {
      for await (const piece of this.#handle.lend({ start, end }, 'range', options)) piece.release()
      return true
    } catch (error) {
      if (isAbort(error)) throw error
      return false
    }
  }

  #choose(peerId: string): number | undefined {
    return chooseChunk(this.#candidatesFor(peerId), this.#blob.isComplete && !this.#isDelivering())
  }

  /** Some chunk is on its way to its first receiver: second copies of others would only slow it down. */
  #isDelivering(): boolean {
    const nowMs = this.#components.clock.now()
    return this.#handedTimes.some(
      (handed, chunk) => handed > 0 && this.#blob.copiesOf(chunk) === 0 && !this.#isLost(chunk, nowMs),
    )
  }

  *#candidatesFor(peerId: string): Iterable<SeedCandidate> {
    const given = this.#handedTo.get(peerId)
    const nowMs = this.#components.clock.now()
    for (let chunk = 0; chunk < this.#blob.chunkCount; chunk++) {
      if (!this.#blob.has(chunk) || this.#blob.isHeldBy(peerId, chunk) || this.#offeredUntilMs.has(chunk)) continue
      const copies = this.#blob.copiesOf(chunk)
      const handed = this.#handedTimes[chunk] ?? 0
      if (!isOverdue(given?.get(chunk), nowMs)) continue
      if (handed > 0 && copies === 0 && !this.#isLost(chunk, nowMs)) continue
      yield { chunk, handed, copies }
    }
  }

  /** Whoever it was handed to last does not report it, or cannot any more. */
  #isLost(chunk: number, nowMs: number): boolean {
    const receiver = this.#receivers.get(chunk)
    return isOverdue(this.#handedAtMs[chunk], nowMs) || (receiver !== undefined && this.#blob.hasLeft(receiver))
  }

  #hand(peerId: string, chunk: number): number {
    this.#components.turns.took(peerId)
    this.#handedTimes[chunk] = (this.#handedTimes[chunk] ?? 0) + 1
    this.#handedAtMs[chunk] = this.#components.clock.now()
    this.#receivers.set(chunk, peerId)
    const given = this.#handedTo.get(peerId) ?? new Map<number, number>()
    this.#handedTo.set(peerId, given.set(chunk, this.#components.clock.now()))
    return chunk
  }

  /** Waits its turn; resolves with the number of others that may be woken instead, should it find nothing for itself. */
  async #park(peerId: string, forMs: number, signal: AbortSignal | undefined): Promise<number> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const timer = this.#components.clock.after(forMs, () => resolve(0))
    const onAbort = () => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#parked.set(resolve, peerId)
    try {
      return await promise
    } finally {
      timer.clear()
      this.#parked.delete(resolve)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /**
   * Wakes whoever was given least lately, of those the first to have come; it passes the word on when the chunk is of no use
   * to it, `most` times in all.
   */
  #wakeNext(most: number): void {
    if (most <= 0) return
    const { turns } = this.#components
    let next: { resolve: (wakes: number) => void; peerId: string; turn: number } | undefined
    for (const [resolve, peerId] of this.#parked) {
      const turn = turns.of(peerId)
      if (next === undefined || turn < next.turn) next = { resolve, peerId, turn }
      if (turn === 0) break
    }
    if (next === undefined) return
    this.#parked.delete(next.resolve)
    // Now and not when it has chosen: the next chunk of another layer may come before it does.
    turns.took(next.peerId)
    next.resolve(most)
  }

  #wakeAll(): void {
    for (const resolve of [...this.#parked.keys()]) resolve(0)
  }
}

function isOverdue(handedAtMs: number | undefined, nowMs: number): boolean {
  return handedAtMs === undefined || nowMs - handedAtMs > LOST_AFTER_MS
}
