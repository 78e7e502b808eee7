import type { Clock } from '../core/index.ts'

/** Waits for `durationMs`, or less when `signal` fires. */
export async function pause(clock: Clock, durationMs: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = clock.after(durationMs, resolve)
  const stop = () => resolve()
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted === true) stop()
  await promise
  timer.clear()
  signal?.removeEventListener('abort', stop)
}
