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

  /** When the last of `bytes`, the last of which was sent at `sentMs`, has arrived at this node. */
  receive(bytes: number, sentMs: number): number {
    const takesMs = (bytes / this.#rates.downBytesPerSecond) * 1000
    this.#downFreeMs = Math.max(sentMs, this.#downFreeMs + takesMs)
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
  const arrivesMs = to.receive(bytes, from.send(bytes, clock.now())) + latencyMs
  await delay(clock, arrivesMs - clock.now(), signal)
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
