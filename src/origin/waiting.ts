import type { AbortOptions, Clock } from '../core/index.ts'

/** Resolves after `delayMs` of `clock`; rejects with the signal's reason when that fires first. */
export async function delay(clock: Clock, delayMs: number, options: AbortOptions): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = clock.after(delayMs, resolve)
  try {
    await abortable(promise, options)
  } finally {
    timer.clear()
  }
}

/** What `promise` settles to, or the signal's reason when that fires first; the work behind the promise goes on. */
export async function abortable<T>(promise: Promise<T>, { signal }: AbortOptions): Promise<T> {
  if (signal === undefined) return await promise
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
