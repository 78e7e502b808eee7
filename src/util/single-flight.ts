import type { AbortOptions } from '../core/index.ts'
import { abortable } from './abortable.ts'

interface Flight<T> {
  readonly result: Promise<T>
  readonly controller: AbortController
  callers: number
}

/** Runs one piece of work per key at a time and shares its result; the work is aborted when the last caller has left. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>()

  /** Joins the work under `key`, or begins it. Throws the signal's reason as soon as it fires. */
  async run(key: string, options: AbortOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    options.signal?.throwIfAborted()
    const flight = this.#flights.get(key) ?? this.#begin(key, work)
    flight.callers += 1
    try {
      return await abortable(flight.result, options.signal)
    } finally {
      flight.callers -= 1
      if (flight.callers === 0) this.#leave(key, flight)
    }
  }

  /** Aborts everything under way and resolves when it has ended. */
  async stop(reason: Error): Promise<void> {
    const flights = [...this.#flights.values()]
    for (const { controller } of flights) controller.abort(reason)
    await Promise.allSettled(flights.map(({ result }) => result))
  }

  #begin(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController()
    const flight: Flight<T> = { result: work(controller.signal), controller, callers: 0 }
    const forget = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
    flight.result.then(forget, forget)
    this.#flights.set(key, flight)
    return flight
  }

  /** A caller that comes after the last has left begins anew instead of joining work that is being aborted. */
  #leave(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
    flight.controller.abort(new DOMException('nobody waits any more', 'AbortError'))
  }
}
