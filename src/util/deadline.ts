import type { Clock } from '../core/index.ts'
import { abortable } from './abortable.ts'

/** Runs `work` until `signal` fires or `limitMs` is over; both end it and reject, whether or not `work` heeds its signal. */
export async function within<T>(
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  const timer = clock.after(limitMs, () =>
    controller.abort(new DOMException(`not done after ${limitMs} ms`, 'TimeoutError')),
  )
  try {
    return await abortable(work(controller.signal), controller.signal)
  } finally {
    timer.clear()
    signal.removeEventListener('abort', onAbort)
  }
}

/** Whether `promise` settles, either way, within `limitMs`. */
export async function settlesWithin(clock: Clock, limitMs: number, promise: Promise<unknown>): Promise<boolean> {
  const { promise: outcome, resolve } = Promise.withResolvers<boolean>()
  const timer = clock.after(limitMs, () => resolve(false))
  promise.then(
    () => resolve(true),
    () => resolve(true),
  )
  try {
    return await outcome
  } finally {
    timer.clear()
  }
}
