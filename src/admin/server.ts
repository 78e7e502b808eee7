import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isAbort } from '../core/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import type { AdminCallbacks, EndpointComponents } from './call.ts'
import { answerCall } from './endpoints.ts'
import { sendError } from './send.ts'

/** Without `import`, which evaluates every export, `WebSocket` too: it loads Node's own fetch, 16 MB and 35 ms. */
const { createServer } = process.getBuiltinModule('node:http')

export type { AdminPrefetch, AdminPullOptions, Health } from './call.ts'

export interface AdminInit {
  /** Default loopback. */
  readonly host?: string | undefined
  /** 0 takes a free one. */
  readonly port: number
  /** Host names besides `localhost` and addresses under which something may be asked for or changed. */
  readonly trustedHosts?: readonly string[] | undefined
}

export interface AdminComponents extends AdminCallbacks {
  readonly metrics: Metrics
  readonly logger: Logger
}

/** The admin server, listening. */
export interface AdminServer {
  readonly host: string
  readonly port: number
  /** Ends pulls under way and closes every connection. */
  stop(): Promise<void>
}

/** Operators and probes are few; more is a mistake or an attack. */
const MAX_CONNECTIONS = 64
/** A request is one line and a small body. */
const REQUEST_TIMEOUT_MS = 10_000

/** Starts the admin server; rejects when the address cannot be listened on. */
export async function startAdmin(init: AdminInit, components: AdminComponents): Promise<AdminServer> {
  const logger = components.logger.child({ module: 'admin' })
  const endpoints = { callbacks: components, metrics: components.metrics, trustedHosts: init.trustedHosts ?? [] }
  const answering = new Set<Promise<void>>()
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      const answer = answerRequest(request, response, endpoints, logger).finally(() => answering.delete(answer))
      answering.add(answer)
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  await listen(server, init)
  const { address, port } = server.address() as AddressInfo
  return { host: address, port, stop: async () => await stop(server, answering) }
}

async function answerRequest(
  request: IncomingMessage,
  response: ServerResponse,
  endpoints: EndpointComponents,
  logger: Logger,
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort(new DOMException('the client has gone', 'AbortError')))
  response.on('error', () => {})
  try {
    await answerCall({ request, response, signal: gone.signal }, endpoints)
  } catch (error) {
    if (!gone.signal.aborted && !isAbort(error))
      logger.error({ err: error, path: request.url }, 'an admin request failed')
    if (response.headersSent) response.destroy()
    else sendError(response, 500, 'INTERNAL', 'see the log')
  }
}

async function listen(server: Server, { host = '127.0.0.1', port }: AdminInit): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

async function stop(server: Server, answering: ReadonlySet<Promise<void>>): Promise<void> {
  const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
  server.closeAllConnections()
  await Promise.all([closed, ...answering])
}
