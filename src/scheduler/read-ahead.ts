import type { ChunkLayout } from '../chunking/index.ts'
import type { Clock, Timer } from '../core/index.ts'
import { Demand } from './demand.ts'

/** Readers of one blob that are told apart: the processes of a container read a few files at a time. */
const MAX_SEQUENCES = 8

/** Steps forward before a sequence is believed: one is chance among some hundred ranges of a layer, two hardly ever are. */
const SURE_STEPS = 2

/** Bytes that a step may leave out, as the kernel's own read-ahead does: small files that the client has already. */
const GAP_BYTES = 128 * 1024

/** A reader that took no step for this long reads no further, or so slowly that it can wait for a chunk. */
const IDLE_MS = 2_000

/** The download whose readers are watched. */
export interface ReadAheadTarget {
  readonly blob: { readonly layout: ChunkLayout; readonly isComplete: boolean; has(chunk: number): boolean }
  want(demand: Demand): void
  unwant(demand: Demand): void
}

export interface ReadAheadInit {
  /** Most bytes wanted ahead of one reader; 0 never reads ahead. */
  readonly limitBytes: number
}

export interface ReadAheadComponents {
  readonly target: ReadAheadTarget
  readonly clock: Clock
}

/** Ranges that followed one upon the other. */
interface Sequence {
  readonly start: number
  end: number
  readBytes: number
  steps: number
  lastStepMs: number
  demand: Demand | undefined
}

/**
 * Recognises readers that ask for one range after the other, and wants for them what comes next: as much again as they
 * have read, up to a limit. Whoever reads here and there causes nothing. Owns the demands for it.
 */
export class ReadAhead {
  readonly #limitBytes: number
  readonly #target: ReadAheadTarget
  readonly #clock: Clock
  /** The one that moved last comes last. */
  readonly #sequences: Sequence[] = []
  #timer: Timer | undefined

  constructor(init: ReadAheadInit, components: ReadAheadComponents) {
    this.#limitBytes = init.limitBytes
    this.#target = components.target
    this.#clock = components.clock
  }

  /** A reader asks for exactly the bytes [start, end). */
  note(start: number, end: number): void {
    if (this.#limitBytes === 0 || this.#target.blob.isComplete) return
    const index = this.#sequences.findLastIndex((one) => start >= one.start && start <= one.end + GAP_BYTES)
    const [sequence] = index < 0 ? [] : this.#sequences.splice(index, 1)
    if (sequence === undefined) return this.#begin(start, end)
    this.#sequences.push(sequence)
    // What was read already is a client that looks again, or requests that overtook each other.
    if (end <= sequence.end) return
    sequence.readBytes += end - Math.max(start, sequence.end)
    sequence.end = end
    sequence.steps++
    sequence.lastStepMs = this.#clock.now()
    if (sequence.steps >= SURE_STEPS) this.#renew(sequence)
  }

  /** Wants nothing more. */
  close(): void {
    this.#timer?.clear()
    for (const sequence of this.#sequences.splice(0)) this.#drop(sequence)
  }

  #begin(start: number, end: number): void {
    const lastStepMs = this.#clock.now()
    this.#sequences.push({ start, end, readBytes: end - start, steps: 0, lastStepMs, demand: undefined })
    if (this.#sequences.length <= MAX_SEQUENCES) return
    const oldest = this.#sequences.shift()
    if (oldest !== undefined) this.#drop(oldest)
  }

  #renew(sequence: Sequence): void {
    const { layout } = this.#target.blob
    const { end, readBytes, demand } = sequence
    const aheadEnd = Math.min(layout.sizeBytes, end + Math.min(readBytes, this.#limitBytes))
    if (!this.#isMissing(end, aheadEnd)) return this.#drop(sequence)
    demand?.advance(end)
    if (demand !== undefined && layout.chunkAt(demand.end - 1) === layout.chunkAt(aheadEnd - 1)) return
    const next = new Demand('ahead', end, aheadEnd)
    this.#target.want(next)
    // Not before the next one is there: what nobody wants is cancelled.
    this.#drop(sequence)
    sequence.demand = next
    this.#timer ??= this.#clock.after(IDLE_MS, () => this.#dropIdle())
  }

  #isMissing(start: number, end: number): boolean {
    const { blob } = this.#target
    if (start >= end) return false
    const last = blob.layout.chunkAt(end - 1)
    for (let chunk = blob.layout.chunkAt(start); chunk <= last; chunk++) if (!blob.has(chunk)) return true
    return false
  }

  #dropIdle(): void {
    this.#timer = undefined
    const sinceMs = this.#clock.now() - IDLE_MS
    for (const sequence of this.#sequences) if (sequence.lastStepMs <= sinceMs) this.#drop(sequence)
    if (this.#sequences.some(({ demand }) => demand !== undefined))
      this.#timer = this.#clock.after(IDLE_MS, () => this.#dropIdle())
  }

  #drop(sequence: Sequence): void {
    const { demand } = sequence
    sequence.demand = undefined
    if (demand !== undefined) this.#target.unwant(demand)
  }
}
