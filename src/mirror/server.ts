import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../core/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { Answerer, type AnswererInit } from './answerer.ts'
import type { BodyWriterInit } from './body-writer.ts'
import { ConnectionKeeper } from './connections.ts'
import { Exchange, type ExchangeComponents } from './exchange.ts'
import { type MirrorListener, openListener } from './http-listener.ts'
import { mirrorMetrics } from './metrics.ts'
import type { AccessGate, BlobSource, DigestHistory, DocumentSource } from './ports.ts'

export interface MirrorServerInit extends AnswererInit {
  readonly listeners: readonly MirrorListener[]
  /** Connections on one listener, beyond which new ones are closed at once. */
  readonly maxConnections?: number | undefined
  readonly body?: Partial<BodyWriterInit> | undefined
  /** How long the answers under way at `stop` may go on. */
  readonly drainMs?: number | undefined
}

export interface MirrorServerComponents {
  readonly blobs: BlobSource
  readonly documents: DocumentSource
  readonly history: DigestHistory
  readonly gate: AccessGate
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** A hundred pods starting at once, each with a few lazy layers on a few connections. */
const MAX_CONNECTIONS = 4096
/** Below containerd's five minutes without progress, above any stall that heals. */
const SOURCE_STALL_MS = 30_000
/** A client that unpacks while it pulls may pause; containerd's own limit is five minutes. */
const CLIENT_STALL_MS = 300_000
/** Fits into the 30 s Kubernetes gives a pod. */
const DRAIN_MS = 20_000
/** For what came in last: the range of a lazy reader takes milliseconds, and nobody can connect any more. */
const LAST_ANSWERS_MS = 500
/** Between our FIN and the client's. */
const LINGER_MS = 2_000

/**
 * The HTTP side of the agent: a registry mirror on one or more addresses. Owns the sockets and the answers under way.
 * A body whose source fails ends with a FIN, after all bytes that were verified and before any other.
 */
export class MirrorServer {
  readonly #init: MirrorServerInit
  readonly #body: BodyWriterInit
  readonly #logger: Logger
  readonly #components: ExchangeComponents
  readonly #servers: Server[] = []
  readonly #finishedByExchange = new Map<Exchange, Promise<void>>()
  #isDraining = false

  constructor(init: MirrorServerInit, components: MirrorServerComponents) {
    const { clock } = components
    this.#init = init
    this.#body = { sourceStallMs: SOURCE_STALL_MS, clientStallMs: CLIENT_STALL_MS, ...init.body }
    this.#logger = components.logger.child({ module: 'mirror' })
    const metrics = mirrorMetrics(components.metrics)
    const answerer = new Answerer(init, { ...components, logger: this.#logger, metrics })
    const connections = new ConnectionKeeper({ lingerMs: LINGER_MS, flushMs: this.#body.clientStallMs }, { clock })
    this.#components = { answerer, connections, clock, metrics }
  }

  /** Listens on every address; when one fails, none is left open. */
  async start(): Promise<void> {
    try {
      for (const listener of this.#init.listeners) await this.#listen(listener)
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Where it listens, in the order of the listeners. */
  addresses(): readonly { readonly host: string; readonly port: number }[] {
    return this.#servers.map((server) => {
      const { address, port } = server.address() as AddressInfo
      return { host: address, port }
    })
  }

  /**
   * Lets answers under way finish for `drainMs` and goes on answering meanwhile: a lazily mounted layer bears an agent that is
   * gone for some two seconds, not one that refuses connections because somebody else's pull takes its time. Then takes no
   * new connections, and ends what is left with a FIN.
   */
  async stop(): Promise<void> {
    this.#isDraining = true
    await this.#settled(this.#init.drainMs ?? DRAIN_MS)
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => void server.close(() => resolve())))
    await this.#settled(LAST_ANSWERS_MS)
    const cutOff = [...this.#finishedByExchange.keys()]
    for (const exchange of cutOff) exchange.stop()
    // The FIN has to reach the client before the connections are closed for good.
    if (cutOff.length > 0) await Promise.race([Promise.all(closed), this.#wait(LINGER_MS)])
    for (const server of this.#servers) server.closeAllConnections()
    await Promise.all(closed)
    this.#servers.length = 0
  }

  async #listen(listener: MirrorListener): Promise<void> {
    const server = await openListener(listener, this.#init.maxConnections ?? MAX_CONNECTIONS, {
      onRequest: (request, response) => this.#accept(request, response, listener),
      onClientError: (error, socket) => this.#components.connections.onClientError(error, socket),
      onError: (error) => this.#logger.error({ err: error }, 'the listener failed'),
    })
    this.#servers.push(server)
  }

  #accept(request: IncomingMessage, response: ServerResponse, listener: MirrorListener): void {
    const { connections, metrics } = this.#components
    const { socket } = request
    if (connections.isClosing(socket)) return
    const hasAnswered = connections.answering(socket)
    metrics.openRequests.inc()
    const init = { body: this.#body, listenerNamespace: listener.namespace }
    const exchange = new Exchange(request, response, init, this.#components)
    const finished = exchange
      .serve({ isLast: () => this.#isDraining })
      .catch((error: unknown) => {
        this.#logger.error({ err: error }, 'an answer could not be written')
        connections.finish(socket)
      })
      .finally(() => {
        hasAnswered()
        metrics.openRequests.dec()
        this.#finishedByExchange.delete(exchange)
        if (this.#isDraining) for (const server of this.#servers) server.closeIdleConnections()
      })
    this.#finishedByExchange.set(exchange, finished)
  }

  /** Resolves when no answer is under way any more, after `limitMs` at the latest. */
  async #settled(limitMs: number): Promise<void> {
    if (this.#finishedByExchange.size === 0) return
    await Promise.race([Promise.all(this.#finishedByExchange.values()), this.#wait(limitMs)])
  }

  async #wait(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => void this.#components.clock.after(delayMs, resolve))
  }
}
