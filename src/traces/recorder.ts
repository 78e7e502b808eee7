import { type Clock, type Digest, MAX_TRACE_CHUNKS, type StartTrace, type Timer } from '../core/index.ts'
import type { LazyRead } from '../scheduler/index.ts'

/** A start takes seconds; who reads a layer after this is a container at work. */
const WINDOW_MS = 60_000

/** After so long without anything new what follows may be another thing: snapshotters read on to the end after five seconds. */
const SILENCE_MS = 4_000

/** One chunk has no order. */
const MIN_CHUNKS = 2

/** Of a layer with more chunks than this, more than half is no start but a pull in ranges, whose order says nothing. */
const SMALL_LAYER_CHUNKS = 16

/** Starts recorded at a time: the layers of some ten images. */
const MAX_STARTS = 256

/** Layers remembered as started, so that a container at work is not taken for one that starts. */
const MAX_STARTED = 4_096

export interface TraceRecorderComponents {
  readonly clock: Clock
  /** A part of a start is over; called again, with more, when it went on. */
  readonly onTrace: (digest: Digest, trace: StartTrace) => void
}

interface Start {
  readonly sizeBytes: number
  readonly mostChunks: number
  readonly untilMs: number
  readonly offsets: Set<number>
  /** Chunks that were told of. */
  toldCount: number
  timer: Timer | undefined
}

/** Notes in which order clients read the chunks of a layer, from their first exact range on, for a minute. Each layer once. */
export class TraceRecorder {
  readonly #components: TraceRecorderComponents
  readonly #starts = new Map<Digest, Start>()
  readonly #started = new Set<Digest>()

  constructor(components: TraceRecorderComponents) {
    this.#components = components
  }

  /** A client reads a part of a layer. */
  read({ ref, range, kind, layout }: LazyRead): void {
    if (kind !== 'range' || range.start >= range.end) return
    const start = this.#starts.get(ref.digest) ?? this.#begin(ref.digest, ref.sizeBytes, layout.chunkCount)
    if (start === undefined) return
    const before = start.offsets.size
    const last = layout.chunkAt(range.end - 1)
    for (let chunk = layout.chunkAt(range.start); chunk <= last && start.offsets.size < MAX_TRACE_CHUNKS; chunk++)
      start.offsets.add(layout.offsetOf(chunk))
    if (start.offsets.size > before) this.#wait(ref.digest, start, SILENCE_MS)
  }

  /** Forgets what is under way. */
  close(): void {
    for (const { timer } of this.#starts.values()) timer?.clear()
    this.#starts.clear()
  }

  #begin(digest: Digest, sizeBytes: number, chunkCount: number): Start | undefined {
    if (this.#started.has(digest) || this.#starts.size >= MAX_STARTS) return undefined
    this.#started.add(digest)
    for (const oldest of this.#started) {
      if (this.#started.size <= MAX_STARTED) break
      this.#started.delete(oldest)
    }
    const mostChunks = chunkCount <= SMALL_LAYER_CHUNKS ? chunkCount : Math.floor(chunkCount / 2)
    const untilMs = this.#components.clock.now() + WINDOW_MS
    const start = { sizeBytes, mostChunks, untilMs, offsets: new Set<number>(), toldCount: 0, timer: undefined }
    this.#starts.set(digest, start)
    return start
  }

  #wait(digest: Digest, start: Start, forMs: number): void {
    const { clock } = this.#components
    start.timer?.clear()
    start.timer = clock.after(Math.min(forMs, start.untilMs - clock.now()), () => this.#pause(digest, start))
  }

  #pause(digest: Digest, start: Start): void {
    const { clock, onTrace } = this.#components
    const { sizeBytes, offsets, mostChunks, untilMs } = start
    // What was told of before a silence stands when all that follows makes a pull of it.
    if (offsets.size > start.toldCount && offsets.size >= MIN_CHUNKS && offsets.size <= mostChunks) {
      start.toldCount = offsets.size
      onTrace(digest, { sizeBytes, offsets: [...offsets] })
    }
    if (clock.now() < untilMs && offsets.size < MAX_TRACE_CHUNKS) this.#wait(digest, start, WINDOW_MS)
    else this.#starts.delete(digest)
  }
}
