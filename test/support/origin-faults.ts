/** What an origin does wrong to one request. */
export type FaultAction =
  /** Answers with this status instead of asking the registry. */
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** Ends the connection after so many bytes of the body, short of the promised length. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** Sends so many bytes of the body and then nothing more, with the connection left open. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** Answers 200 and the whole body to a request for a part. */
  | { readonly kind: 'ignore-range' }

/** A fault that befalls the next `times` requests whose path matches. */
export interface Fault {
  readonly path: RegExp
  /** Endless when left out. */
  readonly times?: number
  readonly action: FaultAction
}

/** Blobs of any repository. */
export const ANY_BLOB = /\/blobs\/sha256:/

/** Too many requests, come back in a second. */
export const RATE_LIMITED: FaultAction = { kind: 'status', status: 429, headers: { 'retry-after': '1' } }

/** The faults in force; each request takes at most one, the one that was injected first. */
export class FaultPlan {
  readonly #faults = new Set<{ fault: Fault; left: number }>()
  #takenCount = 0

  /** How many requests were given a fault. */
  get takenCount(): number {
    return this.#takenCount
  }

  inject(fault: Fault): void {
    this.#faults.add({ fault, left: fault.times ?? Number.POSITIVE_INFINITY })
  }

  clear(): void {
    this.#faults.clear()
  }

  /** The fault of a request for `path`, used up by this call. */
  take(path: string): FaultAction | undefined {
    for (const entry of this.#faults) {
      if (!entry.fault.path.test(path)) continue
      entry.left -= 1
      if (entry.left <= 0) this.#faults.delete(entry)
      this.#takenCount += 1
      return entry.fault.action
    }
    return undefined
  }
}
