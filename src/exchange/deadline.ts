import type { Clock } from '../core/index.ts'

/** How a deadline is made up: its length, the caller's signal, and the error that says it has passed. */
export interface DeadlineInit {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  readonly makeError: () => Error
}

/**
 * Runs `work` with a signal that fires with the caller's, or with `makeError()` after `timeoutMs`. Settles as soon as that
 * happens, also when `work` takes no notice; timers and listeners are gone by then.
 */
export async function withDeadline<T>(init: DeadlineInit, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  init.signal?.throwIfAborted()
  const controller = new AbortController()
  const { promise: ended, reject } = Promise.withResolvers<never>()
  const end = (reason: unknown) => {
    controller.abort(reason)
    reject(reason)
  }
  const onAbort = () => end(init.signal?.reason)
  const timer = init.clock.after(init.timeoutMs, () => end(init.makeError()))
  init.signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work(controller.signal), ended])
  } finally {
    timer.clear()
    init.signal?.removeEventListener('abort', onAbort)
  }
}
