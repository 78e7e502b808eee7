import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { AbortOptions } from '../../../src/core/index.ts'
import type { WaveFigures, WaveParams } from './wave.ts'
import type { WaveNews } from './wave-worker.ts'

/**
 * Room for young objects. A simulation makes many that live for a message; in the 1 MiB that agents get, which is right
 * for them, a third of its time goes to collecting them. What is under way at all nodes is copied each time it is full:
 * 600 nodes took 35 s of CPU with this, 37 s with half and 42 s with an eighth of it.
 */
const YOUNG_GENERATION_MIB = 1536

/** Thousands of nodes take some megabytes each. */
const HEAP_MIB = 16_384

/** Runs one wave in a thread of its own. Throws what the wave throws, and the signal's reason when aborted. */
export async function waveInThread(
  params: WaveParams,
  onProgress: (doneShare: number) => void,
  { signal }: AbortOptions,
): Promise<WaveFigures> {
  signal?.throwIfAborted()
  const worker = new Worker(new URL('wave-worker.ts', import.meta.url), {
    workerData: params,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB, maxOldGenerationSizeMb: HEAP_MIB },
  })
  let figures: WaveFigures | undefined
  worker.on('message', (news: WaveNews) => {
    if ('figures' in news) figures = news.figures
    else onProgress(news.doneShare)
  })
  try {
    await once(worker, 'exit', signal === undefined ? {} : { signal })
  } finally {
    await worker.terminate()
  }
  if (figures === undefined) throw new Error('the thread of the wave has ended without a word')
  return figures
}
