import { type AbortOptions, type Clock, type Random, ShoalError } from '../core/index.ts'
import { OriginThrottledError, OriginUnavailableError } from './errors.ts'
import type { RetrySettings } from './settings.ts'
import { delay } from './waiting.ts'

export interface RetryComponents {
  readonly clock: Clock
  readonly random: Random
  readonly onRetry: () => void
}

/**
 * Decides whether and when a failed request is made again; the only place of this module that does.
 * The count begins anew with every `progress`, as containerd's does, so that a long blob may break often but never idle.
 */
export class RetryBudget {
  readonly #settings: RetrySettings
  readonly #components: RetryComponents
  #failures = 0

  constructor(settings: RetrySettings, components: RetryComponents) {
    this.#settings = settings
    this.#components = components
  }

  /** Something new arrived. */
  progress(): void {
    this.#failures = 0
  }

  /** Waits until it is time for the next attempt, or throws `error` when there is none. */
  async next(error: unknown, options: AbortOptions): Promise<void> {
    if (!(error instanceof ShoalError) || !error.retryable) throw error
    this.#failures++
    const askedMs = retryAfterOf(error)
    if (this.#failures >= this.#settings.attempts || askedMs > this.#settings.maxRetryAfterMs) throw error
    this.#components.onRetry()
    await delay(this.#components.clock, Math.max(askedMs, this.#backoffMs()), options)
  }

  // Half of it is chance, so that agents that failed together do not come back together.
  #backoffMs(): number {
    const { firstDelayMs, maxDelayMs } = this.#settings
    const ceilingMs = Math.min(maxDelayMs, firstDelayMs * 2 ** (this.#failures - 1))
    return ceilingMs * (0.5 + this.#components.random() / 2)
  }
}

/** Runs `attempt` until it succeeds or the budget for failures is spent. */
export async function withRetries<T>(
  budget: RetryBudget,
  attempt: () => Promise<T>,
  options: AbortOptions,
): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      await budget.next(error, options)
    }
  }
}

function retryAfterOf(error: ShoalError): number {
  const isTimed = error instanceof OriginThrottledError || error instanceof OriginUnavailableError
  return (isTimed ? error.retryAfterMs : undefined) ?? 0
}
