import { Worker } from 'node:worker_threads'
import pLimit from 'p-limit'
import type { AbortOptions } from '../core/index.ts'
import { TocError, TocUnreadError } from './errors.ts'
import type { FoundMembers, TocSection } from './toc-members.ts'
import type { TocAnswer } from './toc-worker.ts'

/** Reads tables of contents away from the main thread. */
export interface TocReader {
  /** The members that a section names. Throws a TocError when it is not what the manifest says, a TocUnreadError when it could not be read. */
  read(section: TocSection, options: AbortOptions): Promise<FoundMembers>
}

/** Read at a time: a pull begins with three layers, and the threads that serve it come first. */
const CONCURRENCY = 2

/** Heap of the worker: the longest table of contents, its text and what JSON makes of it. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 32 }

/** A thread for each table of contents, ended when it is read: they are few and far between, and leave much behind in the heap. */
export class WorkerTocReader implements TocReader {
  readonly #limit = pLimit(CONCURRENCY)

  async read(section: TocSection, { signal }: AbortOptions): Promise<FoundMembers> {
    return await this.#limit(async () => {
      signal?.throwIfAborted()
      const answer = await ask(section, signal)
      if ('invalid' in answer) throw new TocError(answer.invalid)
      return answer.members
    })
  }
}

async function ask(section: TocSection, signal: AbortSignal | undefined): Promise<TocAnswer> {
  const worker = new Worker(new URL('./toc-worker.ts', import.meta.url), { resourceLimits: RESOURCE_LIMITS })
  const { promise, resolve, reject } = Promise.withResolvers<TocAnswer>()
  const fail = (cause: unknown) => reject(new TocUnreadError('table of contents could not be read', cause))
  const onAbort = () => reject(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  worker.on('message', resolve).on('error', fail).on('exit', fail)
  try {
    worker.postMessage(section)
    return await promise
  } finally {
    signal?.removeEventListener('abort', onAbort)
    await worker.terminate()
  }
}
