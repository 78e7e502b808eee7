import type { IncomingMessage, ServerResponse } from 'node:http'
import type { LimitsChange, LimitsDocument } from '../config/index.ts'
import type { AbortOptions } from '../core/index.ts'
import type { Metrics } from '../telemetry/index.ts'

/** Whether something works, and if not why, in words for the operator. */
export interface Health {
  readonly isHealthy: boolean
  readonly reasons: readonly string[]
}

export interface AdminPullOptions extends AbortOptions {
  /** `os/architecture[/variant]`, when not the platform of this node is meant. */
  readonly platform?: string | undefined
}

/** What `POST /prefetch` asks for, checked. */
export interface AdminPrefetch {
  readonly reference: string
  /** All agents, so many of them, or those of a zone. */
  readonly nodes: 'all' | number | { readonly zone: string }
  readonly platform?: string | undefined
  readonly timeoutMs: number
  /** It goes on when the caller leaves. */
  readonly isDetached: boolean
}

/** What the composition lends the admin server. */
export interface AdminCallbacks {
  /** The process as a whole works; the kubelet restarts it when not. */
  live(): Health
  /** Clients may be sent here. */
  ready(): Health
  /** A snapshot for people and tools; anything JSON can hold. */
  status(): object | Promise<object>
  /** The bandwidth limits in force, as they are written in the configuration. */
  limits(): LimitsDocument
  /** Puts a change of limits into force until the process ends. */
  changeLimits(change: LimitsChange): void
  /** Pulls an image ahead of its use; yields what has happened so far, and ends or throws. */
  pull(reference: string, options: AdminPullOptions): AsyncIterable<object>
  /** The same on many nodes. */
  prefetch(request: AdminPrefetch, options: AbortOptions): AsyncIterable<object>
}

/** One request being answered. */
export interface AdminCall {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly signal: AbortSignal
}

export interface EndpointComponents {
  readonly callbacks: AdminCallbacks
  readonly metrics: Metrics
  readonly trustedHosts: readonly string[]
}
