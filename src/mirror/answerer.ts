import { type Clock, isAbort, ShoalError } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { abortable } from '../util/index.ts'
import { AbortMemory } from './abort-memory.ts'
import { AcceptedBlobs } from './accepted-blobs.ts'
import { BlobHandler } from './blob-handler.ts'
import type { BodyOutcome } from './body-writer.ts'
import { parseRangeHeader } from './byte-ranges.ts'
import { type ClientKind, classifyClient } from './client-class.ts'
import { type BudgetPolicy, DEFAULT_BUDGETS, FirstByteBudget } from './first-byte-budget.ts'
import { ManifestHandler } from './manifest-handler.ts'
import type { MirrorMetrics } from './metrics.ts'
import type { MirrorRequest } from './mirror-request.ts'
import { NamespaceResolver, type NamespaceResolverInit } from './namespace-resolver.ts'
import type { AccessGate, BlobSource, DigestHistory, DocumentSource } from './ports.ts'
import { ReferrersHandler } from './referrers-handler.ts'
import { isStreamed, type Reply } from './reply.ts'
import { MAX_TARGET_LENGTH, parseRequestTarget, type RequestTarget } from './request-target.ts'
import { errorReply, jsonReply, readOnlyReply } from './responses.ts'
import { type Route, routeRequest } from './router.ts'
import { TagsHandler } from './tags-handler.ts'
import { expiredReply, unavailableReply } from './unavailable.ts'

export interface AnswererInit extends NamespaceResolverInit {
  readonly budgets?: Partial<BudgetPolicy> | undefined
}

export interface AnswererComponents {
  readonly blobs: BlobSource
  readonly documents: DocumentSource
  readonly history: DigestHistory
  readonly gate: AccessGate
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MirrorMetrics
}

/** A request off the wire. */
export interface IncomingRequest {
  readonly method: string
  /** The request target as it came. */
  readonly url: string
  /** One value by lower-case name. */
  readonly header: (name: string) => string | undefined
  /** Whether `authority` (host and port) is this server itself. */
  readonly isSelf: (authority: string) => boolean
  readonly listenerNamespace?: string | undefined
  /** Fires when the client has gone. */
  readonly clientSignal: AbortSignal
}

/** A decided answer; `client` tells the server whose it is. */
export interface Answer {
  readonly reply: Reply
  readonly client: ClientKind
}

type PlacedRoute = Exclude<Route, { kind: 'base' | 'refused' }>

/**
 * Decides the answer to each request, within the time its client is kept waiting. Never throws, and knows no sockets.
 * Owns what is remembered between requests: blobs that broke off, and blobs a client depends on.
 */
export class Answerer {
  readonly #budgets: BudgetPolicy
  readonly #components: AnswererComponents
  readonly #resolver: NamespaceResolver
  readonly #aborts: AbortMemory
  readonly #accepted = new AcceptedBlobs()
  readonly #blobs: BlobHandler
  readonly #manifests: ManifestHandler
  readonly #tags: TagsHandler
  readonly #referrers: ReferrersHandler

  constructor(init: AnswererInit, components: AnswererComponents) {
    this.#budgets = { ...DEFAULT_BUDGETS, ...init.budgets }
    this.#components = components
    this.#resolver = new NamespaceResolver(init, components)
    this.#aborts = new AbortMemory({}, components)
    this.#blobs = new BlobHandler({ ...components, aborts: this.#aborts, accepted: this.#accepted })
    this.#manifests = new ManifestHandler(components)
    this.#tags = new TagsHandler(components)
    this.#referrers = new ReferrersHandler(components)
  }

  async answer(incoming: IncomingRequest): Promise<Answer> {
    const startedMs = this.#components.clock.now()
    const target = readTarget(incoming)
    const range = parseRangeHeader(incoming.header('range'))
    const usesPeerToPeerPath = target?.isPeerToPeerPath ?? false
    const client = classifyClient({ userAgent: incoming.header('user-agent'), usesPeerToPeerPath, range })
    const route = target === undefined ? badTarget(incoming.url) : routeRequest({ ...incoming, target }, this.#resolver)
    const reply =
      isPlaced(route) && target !== undefined
        ? await this.#answerPlaced(incoming, { target, range, client }, route)
        : settledReply(incoming.method, route)
    this.#note(incoming, route, client, reply.status, startedMs)
    return { reply, client }
  }

  async #answerPlaced(
    incoming: IncomingRequest,
    read: Pick<MirrorRequest, 'range' | 'client'> & { target: RequestTarget },
    route: PlacedRoute,
  ): Promise<Reply> {
    const { clientSignal } = incoming
    const budget = new FirstByteBudget(this.#budgets[read.client], { clock: this.#components.clock, clientSignal })
    const request: MirrorRequest = {
      method: incoming.method === 'HEAD' ? 'HEAD' : 'GET',
      query: read.target.query,
      range: read.range,
      client: read.client,
      budget,
      call: { authorization: incoming.header('authorization'), signal: budget.signal },
    }
    const reply = await this.#withinBudget(request, route)
    return withNamespace(isStreamed(reply.body) ? this.#remembering(reply, request, route) : reply, route)
  }

  async #withinBudget(request: MirrorRequest, route: PlacedRoute): Promise<Reply> {
    const { budget } = request
    const handled = this.#dispatch(request, route)
    try {
      const reply = await abortable(handled, budget.signal)
      if (!isStreamed(reply.body)) budget.close()
      return reply
    } catch (error) {
      budget.close()
      // A handler that decides after all has opened a body that nobody will read.
      handled.then(discard, () => {})
      this.#logFailure(error, request, route)
      const wasAccepted = route.kind === 'blob' && this.#accepted.has(route.digest)
      return expiredReply(request, error) ?? unavailableReply(request, route.kind, wasAccepted)
    }
  }

  async #dispatch(request: MirrorRequest, route: PlacedRoute): Promise<Reply> {
    switch (route.kind) {
      case 'blob':
        return await this.#blobs.handle(request, route)
      case 'manifest':
        return await this.#manifests.handle(request, route)
      case 'tags':
        return await this.#tags.handle(request, route)
      case 'referrers':
        return await this.#referrers.handle(request, route)
    }
  }

  /** A body that breaks off is remembered, so that containerd goes on at the origin. */
  #remembering(reply: Reply, { client }: MirrorRequest, route: PlacedRoute): Reply {
    const { body } = reply
    if (!isStreamed(body) || route.kind !== 'blob') return reply
    const done = (outcome: BodyOutcome): void => {
      body.done(outcome)
      if (outcome.end !== 'source-failed') return
      this.#aborts.note(client, route.digest)
      this.#components.metrics.brokenBodies.inc({ client })
      this.#components.logger.warn(
        { err: outcome.error, client, digest: route.digest },
        'a body broke off, every source failed',
      )
    }
    return { ...reply, body: { ...body, done } }
  }

  #logFailure(error: unknown, { client, budget }: MirrorRequest, route: PlacedRoute): void {
    if (isAbort(error) && !budget.isSpent) return
    const fields = {
      err: error,
      kind: route.kind,
      client,
      namespace: route.origin.namespace,
      repository: route.origin.repository,
    }
    if (error instanceof ShoalError) this.#components.logger.info(fields, 'cannot be served now')
    else this.#components.logger.error(fields, 'a request failed in a way nobody planned for')
  }

  #note(
    { method, clientSignal }: IncomingRequest,
    route: Route,
    client: ClientKind,
    status: number,
    startedMs: number,
  ): void {
    const { clock, logger, metrics } = this.#components
    const seconds = (clock.now() - startedMs) / 1000
    // Nobody sees the answer to a client that has left.
    metrics.requests.inc({ kind: route.kind, client, status: clientSignal.aborted ? 'gone' : String(status) })
    if (isPlaced(route)) metrics.firstByteSeconds.observe({ kind: route.kind }, seconds)
    const place = isPlaced(route) ? { ...route.origin, via: route.via } : {}
    logger.debug({ method, kind: route.kind, client, status, seconds, ...place }, 'answered')
  }
}

/** A URL that names this very server is an ordinary request (RFC 9112, section 3.2.2), not one for a registry of that name. */
function readTarget({ url, isSelf }: IncomingRequest): RequestTarget | undefined {
  const target = parseRequestTarget(url)
  if (target?.authority === undefined || !isSelf(target.authority)) return target
  const { path, query, isPeerToPeerPath } = target
  return { path, query, isPeerToPeerPath }
}

function badTarget(url: string): Route {
  const message = url.length > MAX_TARGET_LENGTH ? 'the request target is too long' : 'not a request target'
  return { kind: 'refused', status: url.length > MAX_TARGET_LENGTH ? 414 : 400, code: 'NAME_INVALID', message }
}

function isPlaced(route: Route): route is PlacedRoute {
  return route.kind !== 'base' && route.kind !== 'refused'
}

function settledReply(method: string, route: Route): Reply {
  if (route.kind !== 'refused') return jsonReply(method, 200, {})
  return route.status === 405
    ? readOnlyReply(method, route.message)
    : errorReply(method, route.status, route.code, route.message)
}

/** Who asked with `ns` is told which namespace answered. */
function withNamespace(reply: Reply, route: PlacedRoute): Reply {
  if (route.via !== 'ns') return reply
  // Not as it was asked: what is folded away there need not be fit for a header.
  return { ...reply, headers: { ...reply.headers, 'oci-namespace': route.origin.namespace } }
}

function discard({ body }: Reply): void {
  if (isStreamed(body)) body.done({ end: 'client-gone' })
}
