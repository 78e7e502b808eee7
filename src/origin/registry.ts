import type { AbortOptions, Clock, Random } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import type { Answer } from './answer.ts'
import { Authenticator } from './authenticator.ts'
import { BlobLocations } from './blob-locations.ts'
import type { DockerCredentials } from './docker-credentials.ts'
import { OriginBrokenError } from './errors.ts'
import type { OriginMetrics } from './metrics.ts'
import { type Place, placeOf } from './place.ts'
import { isRedirect, MAX_REDIRECTS, redirectTarget } from './redirect-policy.ts'
import { RequestGate, type Urgency } from './request-gate.ts'
import { parseRetryAfter } from './retry-after.ts'
import { RetryBudget, withRetries } from './retry-budget.ts'
import {
  DEFAULT_MAX_CONCURRENCY,
  type Identity,
  type OriginTimeouts,
  type RegistryDefaults,
  type RegistrySettings,
  type RetrySettings,
} from './settings.ts'
import { TokenSource } from './token-source.ts'
import { type HttpSender, Transport } from './transport.ts'

/** How long a registry is left alone after a 429 that does not say. */
const DEFAULT_COOLDOWN_MS = 1_000

/** One request to a registry, before authentication and redirects. */
export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD'
  readonly repository: string
  /** What follows the repository in the path, query included: `blobs/sha256:…`. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly urgency: Urgency
  /** `stop` hands out the redirect itself as the answer. */
  readonly redirects?: 'follow' | 'stop'
}

/** What came back. Whoever gets one must close its answer. */
export interface Reply {
  readonly answer: Answer
  /** The raw challenges of the registry's first 401 to this request, also when they could be answered. */
  readonly challenges: readonly string[]
  /** The answer is not the registry's own but that of the storage it redirected to. */
  readonly isAway: boolean
}

export interface RegistryInit {
  readonly namespace: string
  readonly settings: RegistrySettings
  readonly defaults: RegistryDefaults
  readonly timeouts: OriginTimeouts
  readonly retries: RetrySettings
  readonly userAgent: string
}

export interface RegistryComponents {
  readonly dockerCredentials: DockerCredentials
  readonly logger: Logger
  readonly metrics: OriginMetrics
  readonly clock: Clock
  readonly random: Random
}

/** One registry: its sockets, tokens, limits and cool-down, and where its storage is. */
export class Registry {
  readonly locations: BlobLocations
  readonly #place: Place
  readonly #retries: RetrySettings
  readonly #components: RegistryComponents
  readonly #transport: Transport
  readonly #tokens: TokenSource
  readonly #authenticator: Authenticator
  readonly #gate: RequestGate

  constructor(init: RegistryInit, components: RegistryComponents) {
    const { namespace, settings, defaults, timeouts, userAgent } = init
    const { clock, metrics } = components
    const place = placeOf(namespace, settings)
    this.#place = place
    this.#retries = init.retries
    this.#components = components
    this.#transport = new Transport({
      place,
      caFile: settings.caFile,
      timeouts,
      userAgent,
      onBytes: (count) => metrics.bytes.inc({ namespace }, count),
    })
    this.#tokens = new TokenSource(namespace, { sender: this.#transport, clock, metrics })
    this.#authenticator = new Authenticator(
      { place, credentials: settings.credentials },
      { ...components, tokens: this.#tokens },
    )
    this.#gate = new RequestGate(
      {
        maxConcurrency: settings.maxConcurrency ?? defaults.maxConcurrency ?? DEFAULT_MAX_CONCURRENCY,
        requestsPerSecond: settings.requestsPerSecond ?? defaults.requestsPerSecond,
        maxCooldownMs: init.retries.maxRetryAfterMs,
      },
      { clock },
    )
    this.locations = new BlobLocations({ clock })
  }

  /** A new count of failed attempts, for one call. */
  retryBudget(): RetryBudget {
    const { clock, random, metrics } = this.#components
    const onRetry = () => metrics.retries.inc({ namespace: this.#place.namespace })
    return new RetryBudget(this.#retries, { clock, random, onRetry })
  }

  /** Asks, lets `use` read the reply and closes it; begins again while `use` or the request throws what is worth retrying. */
  async read<T>(
    request: RegistryRequest,
    identity: Identity,
    options: AbortOptions,
    use: (reply: Reply) => T | Promise<T>,
  ): Promise<T> {
    const attempt = async () => {
      const reply = await this.ask(request, identity, options)
      try {
        return await use(reply)
      } finally {
        await reply.answer.close()
      }
    }
    return await withRetries(this.retryBudget(), attempt, options)
  }

  /** Sends the request once, with what authentication and redirects it takes. Statuses are for the caller to judge. */
  async ask(request: RegistryRequest, identity: Identity, options: AbortOptions): Promise<Reply> {
    const url = new URL(`${request.repository}/${request.path}`, this.#place.baseUrl)
    return await this.#inside(request, options, async () => await this.#authenticated(url, request, identity, options))
  }

  /** Sends the request once to a place the registry redirected to before, without any credentials. */
  async askAt(url: URL, request: RegistryRequest, options: AbortOptions): Promise<Reply> {
    return await this.#inside(request, options, async () => {
      const answer = await this.#follow(url, request, undefined, options)
      return { answer, challenges: [], isAway: true }
    })
  }

  /** Cuts every connection and ends what is under way. */
  async close(): Promise<void> {
    await this.#tokens.close()
    await this.#transport.close()
  }

  async #inside(request: RegistryRequest, options: AbortOptions, send: () => Promise<Reply>): Promise<Reply> {
    const leave = await this.#gate.enter(request.urgency, options)
    try {
      const reply = await send()
      reply.answer.onClose(leave)
      return reply
    } catch (error) {
      leave()
      throw error
    }
  }

  async #authenticated(url: URL, request: RegistryRequest, identity: Identity, options: AbortOptions): Promise<Reply> {
    const { repository } = request
    const sent = await this.#authenticator.initial(repository, identity, options)
    const answer = await this.#follow(url, request, sent, options)
    const isAway = answer.url.origin !== url.origin
    if (answer.status !== 401 || isAway) return { answer, challenges: [], isAway }

    const challenges = answer.headerValues('www-authenticate')
    let better: string | undefined
    try {
      better = await this.#authenticator.afterChallenge(challenges, sent, repository, identity, options)
    } catch (error) {
      await answer.close()
      throw error
    }
    if (better === undefined) return { answer, challenges, isAway }
    await answer.close()
    const second = await this.#follow(url, request, better, options)
    return { answer: second, challenges, isAway: second.url.origin !== url.origin }
  }

  // By hand and not by undici's interceptor: the target is checked before it is dialled, and kept for the next range.
  async #follow(
    start: URL,
    request: RegistryRequest,
    authorization: string | undefined,
    options: AbortOptions,
  ): Promise<Answer> {
    let url = start
    let credentials = authorization
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#send(url, request, credentials, options)
      if (!isRedirect(answer.status) || request.redirects === 'stop') return answer
      await answer.close()
      if (redirects === MAX_REDIRECTS) throw new OriginBrokenError(`more than ${MAX_REDIRECTS} redirects`)
      url = redirectTarget(this.#place, url, answer.header('location'))
      if (url.origin !== start.origin) credentials = undefined
    }
  }

  async #send(
    url: URL,
    request: RegistryRequest,
    authorization: string | undefined,
    options: AbortOptions,
  ): Promise<Answer> {
    const { metrics, clock } = this.#components
    const { namespace } = this.#place
    const headers = authorization === undefined ? { ...request.headers } : { ...request.headers, authorization }
    const sentAtMs = clock.now()
    const sender: HttpSender = this.#transport
    let status = 'error'
    try {
      const answer = await sender.send({ url, method: request.method, headers }, options)
      status = `${Math.floor(answer.status / 100)}xx`
      metrics.latency.observe({ namespace }, (clock.now() - sentAtMs) / 1000)
      this.#heed(answer)
      return answer
    } finally {
      metrics.requests.inc({ namespace, method: request.method, status })
    }
  }

  /** Takes in what the registry says about its limits. */
  #heed(answer: Answer): void {
    const { metrics, clock, logger } = this.#components
    const { namespace } = this.#place
    const remaining = Number.parseInt(answer.header('ratelimit-remaining') ?? '', 10)
    if (remaining >= 0) metrics.rateLimitRemaining.set({ namespace }, remaining)
    if (answer.status !== 429) return
    const cooldownMs = parseRetryAfter(answer.header('retry-after'), clock.wallTime()) ?? DEFAULT_COOLDOWN_MS
    metrics.throttles.inc({ namespace })
    logger.warn({ namespace, cooldownMs }, 'origin is throttling')
    this.#gate.coolDown(cooldownMs)
  }
}
