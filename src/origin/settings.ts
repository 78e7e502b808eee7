import type { AbortOptions, Clock, Random } from '../core/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import type { Bandwidth, BandwidthClass } from '../util/index.ts'

/** User name and password for one registry. */
export interface PasswordCredentials {
  readonly username: string
  readonly password: string
}

/** How one namespace is reached. */
export interface RegistrySettings {
  /** Base URL when it is not `https://<namespace>` (Docker Hub: registry-1.docker.io); a path in it comes before `/v2/`. */
  readonly url?: string | undefined
  /** `http` in place of `https` when `url` is not given. */
  readonly plainHttp?: boolean | undefined
  /** PEM file of certificate authorities trusted besides the usual ones. */
  readonly caFile?: string | undefined
  /** Used in place of what the docker config file says. */
  readonly credentials?: PasswordCredentials | undefined
  /** Hosts besides the registry's own that may be sent its credentials when a challenge names them as realm. */
  readonly realmHosts?: readonly string[] | undefined
  readonly maxConcurrency?: number | undefined
  readonly requestsPerSecond?: number | undefined
}

/** Limits of a registry whose settings give none. */
export interface RegistryDefaults {
  readonly maxConcurrency?: number | undefined
  /** Unlimited when not given. */
  readonly requestsPerSecond?: number | undefined
}

/** The longest waits on the wire. */
export interface OriginTimeouts {
  /** Name lookup, TCP and TLS. */
  readonly connectMs: number
  /** From the request sent to the last header. */
  readonly headersMs: number
  /** Between two pieces of a body. */
  readonly bodyIdleMs: number
}

/** How often and how patiently a failed request is repeated. */
export interface RetrySettings {
  /** Attempts in a row that bring nothing new, the first included. */
  readonly attempts: number
  readonly firstDelayMs: number
  readonly maxDelayMs: number
  /** Longest Retry-After that is waited for; above it the error goes to the caller at once. */
  readonly maxRetryAfterMs: number
}

export interface OriginClientInit {
  /** The namespaces that may be asked; any spelling of Docker Hub stands for all of them. */
  readonly registries: ReadonlyMap<string, RegistrySettings>
  readonly defaults?: RegistryDefaults | undefined
  /** A docker `config.json`; it need not exist, and is read again when it changes. */
  readonly dockerConfigFile?: string | undefined
  readonly timeouts: OriginTimeouts
  readonly userAgent: string
  readonly retries?: RetrySettings | undefined
}

export interface OriginClientComponents {
  readonly logger: Logger
  readonly metrics: Metrics
  readonly clock: Clock
  readonly random?: Random | undefined
  /** What may be read of blobs; without one there is no limit. Documents are never held back: they are small, and pulls wait for them. */
  readonly bandwidth?: Bandwidth | undefined
}

/** Settings of reading a blob. */
export interface BlobReadOptions extends AbortOptions {
  /** As what the next bytes count where bandwidth is limited, asked for every piece; else as a pull. */
  readonly bandwidthClass?: (() => BandwidthClass) | undefined
}

/** Settings of one call. */
export interface OriginCallOptions extends AbortOptions {
  /**
   * The client's own Authorization header. It is sent as it is, nothing obtained with it is kept for others, and the agent's own
   * credentials stay out of the call.
   */
  readonly authorization?: string | undefined
}

/** In whose name a request is made. Answers and signed URLs are never shared between two of them. */
export type Identity =
  | { readonly kind: 'agent' }
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'caller'; readonly authorization: string }

/** The identity that a call's options stand for. */
export function identityOf(options: OriginCallOptions): Identity {
  const { authorization } = options
  return authorization === undefined ? { kind: 'agent' } : { kind: 'caller', authorization }
}

/** Enough to fill a fast link with 1 MiB ranges, few enough that a cluster of agents does not look like an attack. */
export const DEFAULT_MAX_CONCURRENCY = 16

/**
 * Four attempts at 100 ms, 200 ms, 400 ms ride out a restarting registry's load balancer; containerd gives up after five.
 * Ten seconds of Retry-After is the most a client in front of us should wait for a maybe.
 */
export const DEFAULT_RETRIES: RetrySettings = {
  attempts: 4,
  firstDelayMs: 100,
  maxDelayMs: 5_000,
  maxRetryAfterMs: 10_000,
}
