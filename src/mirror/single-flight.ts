import type { AbortOptions } from '../core/index.ts'

interface Flight<T> {
  readonly result: Promise<T>
  readonly controller: AbortController
  waiting: number
}

/** Runs one call for all who ask for the same key at the same time; it is aborted when the last of them has gone. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>()

  async run(key: string, start: (signal: AbortSignal) => Promise<T>, options: AbortOptions): Promise<T> {
    options.signal?.throwIfAborted()
    const flight = this.#flights.get(key) ?? this.#launch(key, start)
    flight.waiting += 1
    try {
      return await abortable(flight.result, options.signal)
    } finally {
      flight.waiting -= 1
      if (flight.waiting === 0) this.#land(key, flight)
    }
  }

  #launch(key: string, start: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController()
    const result = start(controller.signal)
    // Those who wait see the failure; when all have left nobody does.
    result.catch(() => {})
    const flight = { result, controller, waiting: 0 }
    this.#flights.set(key, flight)
    return flight
  }

  #land(key: string, flight: Flight<T>): void {
    flight.controller.abort()
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }
}

/** `promise`, or a rejection with the signal's reason as soon as it fires; leaves no listener behind. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise
  signal.throwIfAborted()
  let onAbort = (): void => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
