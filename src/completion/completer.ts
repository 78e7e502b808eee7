import type { AbortOptions, BlobRef, Clock, Digest } from '../core/index.ts'
import {
  type ClientActivity,
  type LazyRead,
  type OriginAccess,
  type SchedulerListener,
  TaskGroup,
} from '../scheduler/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { Alarm } from './alarm.ts'
import { type CompletionMetrics, completionMetrics } from './metrics.ts'
import { type CompletionMode, decide, type Hindrance, restMs, type Verdict } from './policy.ts'
import { CompletionQueue, type Obstacle, type QueuedLayer } from './queue.ts'
import type { CompletionStatus } from './status.ts'
import { type LayerHandle, Step } from './step.ts'

export interface CompleterInit {
  readonly mode: CompletionMode
  /** How long no reader may have waited before something is fetched in mode `idle`. */
  readonly quietMs: number
}

export interface CompleterComponents {
  readonly open: (ref: BlobRef, access: OriginAccess, options: AbortOptions) => Promise<LayerHandle>
  readonly activity: () => ClientActivity
  /** Whether the rest of the blob fits with nothing evicted. */
  readonly hasRoomFor: (ref: BlobRef) => Promise<boolean>
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/**
 * Completes one layer at a time, in steps. Before each it is decided anew whether to go on, and with which layer; a client
 * that has to wait ends the step. While nothing is fetched no layer is held open, so that its room is not either.
 *
 * waiting -> completing -> waiting; a layer leaves the queue when it is whole.
 */
export class Completer {
  readonly #init: CompleterInit
  readonly #components: CompleterComponents
  readonly #logger: Logger
  readonly #metrics: CompletionMetrics
  readonly #queue = new CompletionQueue()
  readonly #tasks = new TaskGroup()
  readonly #alarm: Alarm
  #open: { readonly digest: Digest; readonly handle: LayerHandle } | undefined
  #step: Step | undefined
  #because: Hindrance | Obstacle | undefined
  #doneCount = 0
  #givenUpCount = 0
  #bytes = 0

  constructor(init: CompleterInit, components: CompleterComponents) {
    this.#init = init
    this.#components = components
    this.#logger = components.logger.child({ module: 'completion' })
    this.#metrics = completionMetrics(components.metrics, () => this.#queue.waiting().length)
    this.#alarm = new Alarm(components.clock)
  }

  /** What it has to hear of the scheduler. */
  get listener(): SchedulerListener {
    return {
      readLazily: (read) => this.#touched(read),
      clientWaits: () => this.#step?.end(),
      chunkHeld: ({ digest }, _chunk, _sha256, _source, sizeBytes) => this.#arrived(digest, sizeBytes),
      completed: ({ digest }) => this.#completed(digest),
      roomNeeded: async () => this.#letGo(),
    }
  }

  get status(): CompletionStatus {
    const completing = this.#open?.digest
    const layers = this.#queue.waiting().map(({ ref: { digest }, obstacle }) => ({
      digest,
      state: digest === completing ? ('completing' as const) : (obstacle ?? ('queued' as const)),
    }))
    const state = completing !== undefined ? 'completing' : layers.length > 0 ? 'waiting' : 'idle'
    return {
      mode: this.#init.mode,
      state,
      ...(state === 'waiting' ? { because: this.#because } : {}),
      layers,
      done: this.#doneCount,
      givenUp: this.#givenUpCount,
      bytes: this.#bytes,
    }
  }

  start(): void {
    this.#tasks.run(async (signal) => await this.#run(signal))
  }

  async stop(): Promise<void> {
    await this.#tasks.close()
  }

  #touched(read: LazyRead): void {
    if (read.isComplete || this.#tasks.signal.aborted) return
    if (this.#queue.touch(read, this.#components.clock.now())) this.#alarm.ring()
  }

  #arrived(digest: Digest, sizeBytes: number): void {
    if (this.#step?.digest !== digest) return
    this.#step.arrived(sizeBytes)
    this.#bytes += sizeBytes
    this.#metrics.bytes.inc(sizeBytes)
  }

  /** By whomever: what its readers or a pull have fetched to the end needs nothing any more. */
  #completed(digest: Digest): void {
    if (!this.#queue.delete(digest) || this.#open?.digest !== digest) return
    this.#doneCount++
    this.#metrics.layers.inc({ outcome: 'done' })
  }

  /** Somebody who waits needs the room that is held for what nobody waits for. */
  #letGo(): void {
    if (this.#open === undefined) return
    this.#lacksRoom(this.#open.digest)
    this.#step?.end()
    this.#open.handle.close()
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const nowMs = this.#components.clock.now()
      const layer = this.#queue.next(nowMs)
      const verdict = layer === undefined ? undefined : this.#decide(layer)
      if (layer === undefined || verdict === undefined) await this.#alarm.sleep(this.#queue.nextMs - nowMs, signal)
      else if (verdict.isGo) await this.#complete(layer, signal)
      else await this.#alarm.sleep(verdict.askAgainMs, signal)
    }
  }

  #decide({ queuedMs }: QueuedLayer): Verdict {
    const { clock, activity } = this.#components
    const verdict = decide({ ...this.#init, nowMs: clock.now(), activity: activity(), queuedMs })
    if (verdict.isGo) this.#because = undefined
    else this.#paused(verdict.because)
    return verdict
  }

  /** Goes on with `layer` until it is whole, something is in the way, or another one is to come first. */
  async #complete(layer: QueuedLayer, signal: AbortSignal): Promise<void> {
    const { ref, access } = layer
    try {
      if (!(await this.#components.hasRoomFor(ref))) return this.#lacksRoom(ref.digest)
      const handle = await this.#components.open(ref, access, { signal })
      this.#open = { digest: ref.digest, handle }
      this.#queue.begun(ref.digest)
      await this.#takeSteps(layer, handle, signal)
    } catch (error) {
      if (!signal.aborted) this.#failed(ref.digest, error)
    } finally {
      this.#open?.handle.close()
      this.#open = undefined
    }
  }

  async #takeSteps(layer: QueuedLayer, handle: LayerHandle, signal: AbortSignal): Promise<void> {
    const { ref } = layer
    const { clock, hasRoomFor } = this.#components
    do {
      if (!handle.isKept || !(await hasRoomFor(ref))) return this.#lacksRoom(ref.digest)
      const startedMs = clock.now()
      this.#step = new Step(ref.digest)
      try {
        await this.#step.take(handle, { signal })
      } finally {
        this.#step = undefined
      }
      // Whole before it was opened, or a moment ago.
      if (handle.isComplete) return void this.#queue.delete(ref.digest)
      await new Alarm(clock).sleep(restMs(this.#init.mode, clock.now() - startedMs), signal)
    } while (!signal.aborted && this.#queue.next(clock.now())?.ref.digest === ref.digest && this.#decide(layer).isGo)
  }

  #lacksRoom(digest: Digest): void {
    this.#queue.lacksRoom(digest, this.#components.clock.now())
    this.#paused('room')
  }

  #failed(digest: Digest, error: unknown): void {
    this.#logger.debug({ err: error, digest }, 'layer not completed')
    this.#paused('failed')
    if (this.#queue.failed(digest, this.#components.clock.now())) return
    this.#logger.warn({ err: error, digest }, 'layer read in part is left as it is: it could not be completed')
    this.#givenUpCount++
    this.#metrics.layers.inc({ outcome: 'given_up' })
  }

  #paused(because: Hindrance | Obstacle): void {
    if (this.#because !== because) this.#metrics.pauses.inc({ reason: because })
    this.#because = because
  }
}
