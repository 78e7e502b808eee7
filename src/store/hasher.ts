import { Worker } from 'node:worker_threads'
import PQueue from 'p-queue'
import type { AbortOptions, Clock, Timer } from '../core/index.ts'
import { abortable } from '../util/index.ts'
import { StoreFailedError } from './errors.ts'
import type { HashJob, HashResult, HashSegment } from './hash-segments.ts'
import type { HashAnswer } from './hash-worker.ts'

/** Hashes stretches of files away from the main thread. */
export interface Hasher {
  /** The jobs of `hashSegments`; an abort stops the job. Throws a StoreFailedError when it could not be run. */
  hash(mode: HashJob['mode'], segments: readonly HashSegment[], options?: AbortOptions): Promise<HashResult>
  close(): Promise<void>
}

/** Jobs that may wait: each holds up to 4096 segments, about 400 KB. */
const MAX_WAITING = 128

/** Somebody waits to open a blob while its chunks are checked; nobody waits for a whole blob to be sealed. */
const PRIORITIES: Record<HashJob['mode'], number> = { each: 1, whole: 0 }

/** How long an unused worker is kept; starting one takes 40 ms, keeping one takes 8 MB. */
const IDLE_MS = 10_000

/** Heap of the worker: it keeps nothing but the segments of one job. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 }

/** One worker thread, started for the first job and ended when idle; jobs run one after the other at about 1.3 GB/s. */
export class WorkerHasher implements Hasher {
  readonly #clock: Clock
  readonly #queue = new PQueue({ concurrency: 1 })
  readonly #closed = new AbortController()
  #worker: Worker | undefined
  #idleTimer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async hash(mode: HashJob['mode'], segments: readonly HashSegment[], options: AbortOptions = {}): Promise<HashResult> {
    if (this.#queue.size >= MAX_WAITING) throw new StoreFailedError('too many blobs wait to be hashed')
    const signal = AbortSignal.any([this.#closed.signal, ...(options.signal ? [options.signal] : [])])
    const job = { mode, segments, cancelled: new Int32Array(new SharedArrayBuffer(4)) }
    return await abortable(
      this.#queue.add(() => this.#run(job, signal), { priority: PRIORITIES[mode] }),
      signal,
    )
  }

  async close(): Promise<void> {
    this.#closed.abort(new StoreFailedError('store is closed'))
    this.#idleTimer?.clear()
    await this.#queue.add(() => this.#end())
  }

  async #run(job: HashJob, signal: AbortSignal): Promise<HashResult> {
    signal.throwIfAborted()
    const cancel = () => void Atomics.store(job.cancelled, 0, 1)
    signal.addEventListener('abort', cancel, { once: true })
    this.#idleTimer?.clear()
    try {
      return await this.#ask(job)
    } finally {
      signal.removeEventListener('abort', cancel)
      this.#idleTimer = this.#clock.after(IDLE_MS, () => void this.#queue.add(() => this.#endIfIdle()))
    }
  }

  async #ask(job: HashJob): Promise<HashResult> {
    const worker = this.#start()
    const { promise, resolve, reject } = Promise.withResolvers<HashAnswer>()
    const fail = (cause: unknown) => {
      this.#forget(worker)
      reject(new StoreFailedError('hash worker ended', cause))
    }
    worker.on('message', resolve).on('error', fail).on('exit', fail).ref()
    try {
      worker.postMessage(job)
      const answer = await promise
      if ('error' in answer) throw new StoreFailedError(`blob could not be hashed: ${answer.error}`)
      return answer.digests
    } finally {
      worker.off('message', resolve).off('error', fail).off('exit', fail).unref()
    }
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new Worker(new URL('./hash-worker.ts', import.meta.url), { resourceLimits: RESOURCE_LIMITS })
    // One that ends while idle is replaced at the next job; without a listener its error would end the process.
    worker.on('error', () => {}).on('exit', () => this.#forget(worker))
    this.#worker = worker
    return worker
  }

  #forget(worker: Worker): void {
    if (this.#worker === worker) this.#worker = undefined
  }

  async #endIfIdle(): Promise<void> {
    if (this.#queue.size === 0) await this.#end()
  }

  async #end(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
  }
}
