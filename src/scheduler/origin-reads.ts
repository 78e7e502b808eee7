import { pipe } from 'it-pipe'
import { type Clock, isAbort } from '../core/index.ts'
import type { BandwidthClass, Buffers, Lease } from '../util/index.ts'
import { assembleChunks } from './chunk-assembler.ts'
import { type Attempt, type ChunkBoard, ORIGIN } from './chunk-board.ts'
import type { ChunkVerifierInit } from './chunk-verifier.ts'
import type { InFlightBudget } from './in-flight-budget.ts'
import type { OriginSource } from './ports.ts'
import { TaskGroup } from './task-group.ts'

export type OriginReadsInit = Pick<ChunkVerifierInit, 'ref' | 'layout' | 'access'>

export interface OriginReadsComponents {
  readonly board: ChunkBoard
  readonly budget: InFlightBudget
  readonly origin: OriginSource
  readonly clock: Clock
  /** For the chunks that come. */
  readonly buffers: Buffers
}

export interface OriginReadsListener {
  /** A chunk has come, not verified; `payload` stays the caller's. Resolves once the next may come. */
  came(chunk: number, payload: Lease): Promise<void>
  isStillWanted(chunk: number): boolean
  /** As what `chunk` counts under a limit. */
  bandwidthOf(chunk: number): BandwidthClass
  failed(error: unknown): void
  ended(): void
}

/** Reads runs of chunks from the origin. Owns the reads under way. */
export class OriginReads {
  readonly #init: OriginReadsInit
  readonly #components: OriginReadsComponents
  readonly #listener: OriginReadsListener
  readonly #tasks = new TaskGroup()
  /** Reads under way, each with the chunks it has still to begin. */
  readonly #left = new Map<AbortController, number>()

  constructor(init: OriginReadsInit, components: OriginReadsComponents, listener: OriginReadsListener) {
    this.#init = init
    this.#components = components
    this.#listener = listener
  }

  /** Reads under way. */
  get count(): number {
    return this.#left.size
  }

  /** Reads under way; a single one at its last chunk is not counted, so that the next request's round trip overlaps with it. */
  get busyCount(): number {
    const [onlyLeft] = this.#left.values()
    return this.#left.size === 1 && onlyLeft === 0 ? 0 : this.#left.size
  }

  async close(): Promise<void> {
    const ended = this.#tasks.close()
    this.cancelAll()
    await ended
  }

  cancelAll(): void {
    for (const controller of [...this.#left.keys()]) controller.abort()
  }

  /** Reads chunks [start, start + count) from the origin in one go, as far as they stay wanted. */
  begin(start: number, count: number): void {
    const { board, budget, clock } = this.#components
    const controller = new AbortController()
    // It puts one chunk together at a time.
    const reservedBytes = this.#init.layout.maxChunkBytes
    budget.take(reservedBytes)
    const attempts = Array.from({ length: count }, (_, i) => board.begin(start + i, ORIGIN, clock.now(), controller))
    this.#left.set(controller, count - 1)
    this.#tasks.run(async (closing) => {
      try {
        await this.#stream(attempts, AbortSignal.any([closing, controller.signal]), (left) =>
          this.#left.set(controller, left),
        )
      } catch (error) {
        if (!isAbort(error)) this.#listener.failed(error)
      } finally {
        for (const attempt of attempts) board.end(attempt)
        budget.give(reservedBytes)
        this.#left.delete(controller)
        this.#listener.ended()
      }
    })
  }

  async #stream(attempts: readonly Attempt[], signal: AbortSignal, onLeft: (left: number) => void): Promise<void> {
    const { layout, ref } = this.#init
    const [first, last] = [attempts[0], attempts.at(-1)]
    if (first === undefined || last === undefined) return
    const range = {
      start: layout.offsetOf(first.chunk),
      end: layout.offsetOf(last.chunk) + layout.lengthOf(last.chunk),
    }
    let current = first.chunk
    const options = { signal, bandwidthClass: () => this.#listener.bandwidthOf(current) }
    await pipe(
      this.#components.origin.readBlob(ref, this.#init.access(), range, options),
      (pieces) => assembleChunks(pieces, layout, first.chunk, this.#components.buffers),
      async (chunks) => {
        for await (const { chunk, payload } of chunks) {
          current = Math.min(chunk + 1, last.chunk)
          onLeft(last.chunk - current)
          await this.#listener.came(chunk, payload)
          payload.release()
          const attempt = attempts[chunk - first.chunk]
          if (attempt !== undefined) this.#components.board.end(attempt)
          if (chunk !== last.chunk && !this.#listener.isStillWanted(chunk + 1)) return
        }
      },
    )
  }
}
