import type { Clock } from '../../../src/core/index.ts'

/** The rates of one node's link, bytes per second each way. */
export interface LinkRates {
  readonly upBytesPerSecond: number
  readonly downBytesPerSecond: number
}

/** One node's link as two queues: bytes leave and arrive one transfer after the other at the link's rate. */
export class Link {
  readonly #rates: LinkRates
  #upFreeMs = 0
  #downFreeMs = 0
  sentBytes = 0

  constructor(rates: LinkRates) {
    this.#rates = rates
  }

  /** When the last of `bytes` that this node starts to send now has left it. */
  send(bytes: number, nowMs: number): number {
    this.sentBytes += bytes
    this.#upFreeMs = Math.max(nowMs, this.#upFreeMs) + (bytes / this.#rates.upBytesPerSecond) * 1000
    return this.#upFreeMs
  }

  /** When the last of `bytes`, the last of which leaves its sender now, has arrived at this node. Called in the order of sending. */
  receive(bytes: number, nowMs: number): number {
    const takesMs = (bytes / this.#rates.downBytesPerSecond) * 1000
    this.#downFreeMs = Math.max(nowMs, this.#downFreeMs + takesMs)
    return this.#downFreeMs
  }
}

/** Resolves when `bytes` have crossed from one link to the other. */
export async function transfer(
  clock: Clock,
  from: Link,
  to: Link,
  bytes: number,
  latencyMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  await delay(clock, from.send(bytes, clock.now()) - clock.now(), signal)
  // The way in is taken only now: what waits in one sender's queue must not hold up what others send.
  await delay(clock, to.receive(bytes, clock.now()) - clock.now() + latencyMs, signal)
}

/** Virtual sleep; rejects with the signal's reason. */
export async function delay(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = clock.after(ms, resolve)
  const onAbort = () => reject(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await promise
  } finally {
    timer.clear()
    signal?.removeEventListener('abort', onAbort)
  }
}
