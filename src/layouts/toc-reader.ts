import { Worker } from 'node:worker_threads'
import pLimit from 'p-limit'
import type { AbortOptions } from '../core/index.ts'
import { TocError, TocUnreadError } from './errors.ts'
import { type FoundMembers, membersOf, type TocSection } from './toc-members.ts'
import type { TocAnswer } from './toc-worker.ts'

/** Reads tables of contents away from the main thread. */
export interface TocReader {
  /** A section is on its way: what `read` needs may be made ready. */
  prepare(): void
  /** The members that a section names. Throws a TocError when it is not what the manifest says, a TocUnreadError when it could not be read. */
  read(section: TocSection, options: AbortOptions): Promise<FoundMembers>
  stop(): Promise<void>
}

/** Read at a time: a pull begins with three layers, and the threads that serve it come first. */
const CONCURRENCY = 2

/** Heap of the worker: the longest table of contents, its text and what JSON makes of it. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 32 }

/** How long a thread waits for the next section: those of one pull come together, and starting it takes longer than most reads. */
const LINGER_MS = 10_000

/** Sections so short, and raw ones, are read at once: a few milliseconds, where a thread takes fifty to start. */
const SHORT_BYTES = 32 * 1024
const SHORT_RAW_BYTES = 512 * 1024

/** Threads are started when a section is on its way, and end soon after the last: reading leaves much behind in their heaps. */
export class WorkerTocReader implements TocReader {
  readonly #limit = pLimit(CONCURRENCY)
  readonly #resting = new Set<TocThread>()

  prepare(): void {
    if (this.#resting.size === 0 && this.#limit.activeCount < CONCURRENCY) this.#rest(new TocThread())
  }

  async read(section: TocSection, { signal }: AbortOptions): Promise<FoundMembers> {
    const short = membersOfShort(section)
    if (short !== undefined) return short
    return await this.#limit(async () => {
      signal?.throwIfAborted()
      const thread = this.#takeRested() ?? new TocThread()
      try {
        const answer = await thread.ask(section, signal)
        this.#rest(thread)
        if ('invalid' in answer) throw new TocError(answer.invalid)
        return answer.members
      } catch (error) {
        if (!this.#resting.has(thread)) await thread.end()
        throw error
      }
    })
  }

  async stop(): Promise<void> {
    const resting = [...this.#resting]
    this.#resting.clear()
    await Promise.all(resting.map(async (thread) => await thread.end()))
  }

  #rest(thread: TocThread): void {
    this.#resting.add(thread)
    thread.rest(LINGER_MS, () => this.#resting.delete(thread))
  }

  #takeRested(): TocThread | undefined {
    const [thread] = this.#resting
    if (thread !== undefined) this.#resting.delete(thread)
    return thread
  }
}

/** The members where that takes no time; `undefined` when it might, or when something is wrong with the section. */
function membersOfShort(section: TocSection): FoundMembers | undefined {
  if (section.bytes.byteLength > SHORT_BYTES) return undefined
  try {
    return membersOf(section, SHORT_RAW_BYTES)
  } catch {
    return undefined
  }
}

/** One thread, asked for one section at a time. It keeps no process alive. */
class TocThread {
  readonly #worker = new Worker(new URL('./toc-worker.ts', import.meta.url), { resourceLimits: RESOURCE_LIMITS })
  #timer: NodeJS.Timeout | undefined
  #onEnd: () => void = () => undefined
  #waiting: PromiseWithResolvers<TocAnswer> | undefined

  constructor() {
    const fail = (cause: unknown) => {
      this.#waiting?.reject(new TocUnreadError('table of contents could not be read', cause))
      this.#onEnd()
    }
    this.#worker.on('message', (answer: TocAnswer) => this.#waiting?.resolve(answer))
    this.#worker.on('error', fail).on('exit', fail)
  }

  async ask(section: TocSection, signal: AbortSignal | undefined): Promise<TocAnswer> {
    clearTimeout(this.#timer)
    this.#worker.ref()
    const waiting = Promise.withResolvers<TocAnswer>()
    this.#waiting = waiting
    const onAbort = () => waiting.reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      this.#worker.postMessage(section)
      return await waiting.promise
    } finally {
      this.#waiting = undefined
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Ends after `lingerMs` unless it is asked again; `onEnd` is called when it does, before it takes no more, or when it has died. */
  rest(lingerMs: number, onEnd: () => void): void {
    this.#onEnd = onEnd
    this.#worker.unref()
    this.#timer = setTimeout(() => {
      onEnd()
      void this.end()
    }, lingerMs).unref()
  }

  async end(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#worker.terminate()
  }
}
