/** A pending timer; clearing one that has fired does nothing. */
export interface Timer {
  clear(): void
}

/** Time as the policies see it, so that a simulator can run them under virtual time. */
export interface Clock {
  /** Milliseconds on a clock that never goes back; its zero means nothing. */
  now(): number
  /** Milliseconds since the Unix epoch, for stored and displayed times. */
  wallTime(): number
  /** Calls `fire` once after `delayMs`; never keeps the process alive. */
  after(delayMs: number, fire: () => void): Timer
}

/** A source of numbers in [0, 1). */
export type Random = () => number

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  after(delayMs, fire) {
    const handle = setTimeout(fire, delayMs)
    handle.unref()
    return { clear: () => clearTimeout(handle) }
  },
}
