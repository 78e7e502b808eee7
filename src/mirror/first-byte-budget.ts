import type { Clock, Timer } from '../core/index.ts'
import type { ClientKind } from './client-class.ts'
import { FirstByteTimeoutError } from './errors.ts'

/** How long a client is kept waiting for its answer to begin. */
export interface BudgetLimits {
  /** Given up here unless something has moved since the last look, which is every `softMs`. */
  readonly softMs: number
  /** Given up here whatever moves. */
  readonly hardMs: number
}

/** Limits for each kind of client. */
export type BudgetPolicy = Readonly<Record<ClientKind, BudgetLimits>>

/**
 * containerd has somewhere else to go, but no timeout of its own, and sending it there costs a second copy of the layer: so
 * it waits longer than it takes to find that a tracker is silent and to go to the origin instead (about 7 s), and a minute
 * when bytes are moving. That nobody can help is known, and said, much earlier than that. nydus, which asks for
 * a size without saying who it is, gives an answer 5 s; stargz gives a mount 30 s and overlaybd and podman no less, which
 * leaves room to try again. A lazy client is told in time for nydus even while bytes move: it asks again, and finds what has
 * come meanwhile. SOCI wants headers within 3 s.
 */
export const DEFAULT_BUDGETS: BudgetPolicy = {
  containerd: { softMs: 12_000, hardMs: 60_000 },
  lazy: { softMs: 4_000, hardMs: 4_000 },
  soci: { softMs: 2_500, hardMs: 2_500 },
  podman: { softMs: 5_000, hardMs: 30_000 },
  other: { softMs: 4_500, hardMs: 30_000 },
}

export interface FirstByteBudgetComponents {
  readonly clock: Clock
  /** Fires when the client has gone. */
  readonly clientSignal: AbortSignal
}

/** One for all requests, nearly each of which ends so: a stack for each took 5 % of the CPU time of a local range. */
const OVER = new DOMException('the request is over', 'AbortError')

/**
 * The time from a request to the first byte of its answer. Its signal ends everything done for the request: when the budget
 * is spent (`isSpent`), when the client goes, and at the latest on `close`.
 */
export class FirstByteBudget {
  readonly #limits: BudgetLimits
  readonly #clock: Clock
  readonly #clientSignal: AbortSignal
  readonly #controller = new AbortController()
  readonly #startedMs: number
  readonly #onClientGone = (): void => this.#end(this.#clientSignal.reason)
  #progressBytes: () => number = () => 0
  #lastBytes = 0
  #timer: Timer | undefined
  #isSpent = false

  constructor(limits: BudgetLimits, components: FirstByteBudgetComponents) {
    this.#limits = limits
    this.#clock = components.clock
    this.#clientSignal = components.clientSignal
    this.#startedMs = this.#clock.now()
    if (this.#clientSignal.aborted) this.#controller.abort(this.#clientSignal.reason)
    else {
      this.#clientSignal.addEventListener('abort', this.#onClientGone, { once: true })
      this.#look()
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether the time ran out, as opposed to the client having gone. */
  get isSpent(): boolean {
    return this.#isSpent
  }

  get waitedMs(): number {
    return this.#clock.now() - this.#startedMs
  }

  /** Lets growth of `progressBytes` extend the wait up to the hard limit. */
  follow(progressBytes: () => number): void {
    this.#progressBytes = progressBytes
    this.#lastBytes = progressBytes()
  }

  /** The answer has begun: no more time limit, the signal stays. */
  met(): void {
    this.#timer?.clear()
  }

  /** Nothing more is done for this request. */
  close(): void {
    this.#end(OVER)
  }

  #look(): void {
    const untilHardMs = this.#limits.hardMs - this.waitedMs
    this.#timer = this.#clock.after(Math.min(this.#limits.softMs, untilHardMs), () => {
      const bytes = this.#progressBytes()
      const hasMoved = bytes > this.#lastBytes
      this.#lastBytes = bytes
      if (hasMoved && this.waitedMs < this.#limits.hardMs) this.#look()
      else this.#spend()
    })
  }

  #spend(): void {
    this.#isSpent = true
    this.#end(new FirstByteTimeoutError(this.waitedMs))
  }

  #end(reason: unknown): void {
    this.#timer?.clear()
    this.#clientSignal.removeEventListener('abort', this.#onClientGone)
    this.#controller.abort(reason)
  }
}
