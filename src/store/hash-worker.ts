import { parentPort } from 'node:worker_threads'
import { type HashJob, type HashResult, hashSegments } from './hash-segments.ts'

/** What the worker answers to a job. */
export type HashAnswer = { readonly digests: HashResult } | { readonly error: string }

parentPort?.on('message', (job: HashJob) => parentPort?.postMessage(answer(job)))

function answer(job: HashJob): HashAnswer {
  try {
    return { digests: hashSegments(job) }
  } catch (error) {
    return { error: String(error) }
  }
}
