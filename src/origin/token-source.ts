import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { AbortOptions, Clock } from '../core/index.ts'
import type { Answer } from './answer.ts'
import { basicAuthorization, type Credentials, credentialsKey } from './credentials.ts'
import { OriginBrokenError, OriginThrottledError, OriginUnavailableError } from './errors.ts'
import type { OriginMetrics } from './metrics.ts'
import { parseRetryAfter } from './retry-after.ts'
import type { HttpRequest, HttpSender } from './transport.ts'
import { abortable } from './waiting.ts'

/** Largest token answer read; tokens with many scopes reach 16 KiB. */
const MAX_TOKEN_BODY_BYTES = 64 * 1024

/** Life of a token whose answer does not say (the distribution token specification). */
const DEFAULT_LIFE_SECONDS = 60

/** Longest life believed; a day is more than any registry gives. */
const MAX_LIFE_SECONDS = 24 * 60 * 60

/** A token is replaced when this much of its life is over, so that none runs out on the way. */
const FRESH_PART = 0.8

/** Most tokens kept for one registry: one for each repository in use. */
const MAX_TOKENS = 1024

/** Longest time for one token, connecting included; the waiting pull has better things to do after it. */
const TOKEN_DEADLINE_MS = 15_000

/** What a bearer challenge asks to be bought, and where. */
export interface TokenDemand {
  readonly realm: URL
  readonly service: string | undefined
  readonly scopes: readonly string[]
  /** `undefined` buys an anonymous token. */
  readonly credentials: Credentials | undefined
}

export interface TokenSourceComponents {
  readonly sender: HttpSender
  readonly clock: Clock
  readonly metrics: OriginMetrics
}

interface Token {
  readonly text: string
  readonly freshUntilMs: number
}

const TokenBody = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().optional(),
})

/** Buys bearer tokens and keeps them while they are fresh. Owns the tokens of one registry; each is asked for once, whoever waits for it. */
export class TokenSource {
  readonly #namespace: string
  readonly #components: TokenSourceComponents
  readonly #tokens = new LRUCache<string, Token>({ max: MAX_TOKENS })
  readonly #flights = new Map<string, Promise<Token | undefined>>()
  /** Ends each flight, by its deadline or when the source closes. */
  readonly #deadlines = new Set<AbortController>()

  constructor(namespace: string, components: TokenSourceComponents) {
    this.#namespace = namespace
    this.#components = components
  }

  /** A fresh token, or `undefined` when the realm refuses. Throws OriginUnavailableError, OriginThrottledError or OriginBrokenError. */
  async token(demand: TokenDemand, options: AbortOptions): Promise<string | undefined> {
    options.signal?.throwIfAborted()
    const key = keyOf(demand)
    const known = this.#tokens.get(key)
    if (known !== undefined && known.freshUntilMs > this.#components.clock.now()) return known.text
    let flight = this.#flights.get(key)
    if (flight === undefined) {
      flight = this.#fly(key, demand)
      this.#flights.set(key, flight)
    }
    const token = await abortable(flight, options)
    return token?.text
  }

  /** Drops a token that the registry did not accept although it should be fresh. */
  forget(demand: TokenDemand, text: string): void {
    const key = keyOf(demand)
    if (this.#tokens.peek(key)?.text === text) this.#tokens.delete(key)
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    for (const deadline of this.#deadlines) deadline.abort(new OriginUnavailableError('closed'))
    await Promise.allSettled(this.#flights.values())
  }

  async #fly(key: string, demand: TokenDemand): Promise<Token | undefined> {
    try {
      const token = await this.#buy(demand)
      if (token !== undefined) this.#tokens.set(key, token)
      this.#components.metrics.tokens.inc({
        namespace: this.#namespace,
        outcome: token === undefined ? 'refused' : 'granted',
      })
      return token
    } catch (error) {
      this.#components.metrics.tokens.inc({ namespace: this.#namespace, outcome: 'failed' })
      throw error
    } finally {
      this.#flights.delete(key)
    }
  }

  async #buy(demand: TokenDemand): Promise<Token | undefined> {
    const { sender, clock } = this.#components
    const deadline = new AbortController()
    const timer = clock.after(TOKEN_DEADLINE_MS, () => deadline.abort(new OriginUnavailableError('no token in time')))
    this.#deadlines.add(deadline)
    const boughtAtMs = clock.now()
    try {
      const answer = await sender.send(requestFor(demand), { signal: deadline.signal })
      try {
        if (!isGranted(answer, clock)) return undefined
        return readToken(await answer.bytes(MAX_TOKEN_BODY_BYTES), boughtAtMs)
      } finally {
        await answer.close()
      }
    } finally {
      timer.clear()
      this.#deadlines.delete(deadline)
    }
  }
}

function keyOf({ realm, service, scopes, credentials }: TokenDemand): string {
  return JSON.stringify([realm.href, service, scopes, credentialsKey(credentials)])
}

/** A GET (distribution token specification), or for identity tokens the POST of the OAuth2 variant. */
function requestFor({ realm, service, scopes, credentials }: TokenDemand): HttpRequest {
  if (credentials?.kind === 'identity') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'shoal',
      refresh_token: credentials.token,
    })
    if (service !== undefined) form.set('service', service)
    form.set('scope', scopes.join(' '))
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return { url: realm, method: 'POST', headers, body: form.toString() }
  }
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.append('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  return {
    url,
    method: 'GET',
    headers: credentials === undefined ? {} : { authorization: basicAuthorization(credentials) },
  }
}

function isGranted(answer: Answer, clock: Clock): boolean {
  const { status } = answer
  if (status === 200) return true
  // Realms say 400, 401, 403 or 404 when they do not know or do not like who asks.
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) return false
  const retryAfterMs = parseRetryAfter(answer.header('retry-after'), clock.wallTime())
  if (status === 429) throw new OriginThrottledError('token realm is throttling', retryAfterMs ?? 1_000)
  if (status < 400) throw new OriginBrokenError(`token realm answered ${status}`)
  throw new OriginUnavailableError(`token realm answered ${status}`, { retryAfterMs })
}

function readToken(body: Uint8Array, boughtAtMs: number): Token {
  const parsed = TokenBody.safeParse(parseJson(body))
  if (!parsed.success) throw new OriginBrokenError('token realm answered no token')
  const text = parsed.data.token || parsed.data.access_token
  // Anything outside of visible ASCII could not stand in a header.
  if (text === undefined || !/^[\x21-\x7e]+$/.test(text)) throw new OriginBrokenError('token realm answered no token')
  const lifeSeconds = Math.min(Math.max(parsed.data.expires_in ?? DEFAULT_LIFE_SECONDS, 0), MAX_LIFE_SECONDS)
  return { text, freshUntilMs: boughtAtMs + lifeSeconds * 1000 * FRESH_PART }
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return undefined
  }
}
