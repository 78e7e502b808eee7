import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Without `import`, which evaluates every export, `WebSocket` too: it loads Node's own fetch, 16 MB and 35 ms. */
const { createServer } = process.getBuiltinModule('node:http')

/** One address the mirror listens on. */
export interface MirrorListener {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** The registry that is meant by requests on this port that do not say, for clients that cannot (nydus). */
  readonly namespace?: string | undefined
  /** Lets the next process of an update listen on the same port before this one has gone. */
  readonly reusePort?: boolean | undefined
}

/** What becomes of what comes in. */
export interface ListenerHandlers {
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  readonly onClientError: (error: Error, socket: Socket) => void
  readonly onError: (error: Error) => void
}

/** zstd:chunked pulls send about 20 KiB of ranges; Node's default of 16 KiB would answer 431. */
const MAX_HEADER_BYTES = 128 * 1024
/** Go's clients keep idle connections for 30 s or 90 s; ours must not be the side that closes under a new request. */
const KEEP_ALIVE_MS = 95_000
/** Longer than keep-alive, so that an idle connection is never taken for a slow one. */
const HEADERS_TIMEOUT_MS = 100_000
/** One chunk waits in the socket either way; this only spares small writes a wait. */
const WRITE_BUFFER_BYTES = 256 * 1024

/** Listens on one address; rejects when that fails. */
export async function openListener(
  listener: MirrorListener,
  maxConnections: number,
  handlers: ListenerHandlers,
): Promise<Server> {
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    // A pull may take as long as it takes; stalls are watched per body.
    requestTimeout: 0,
    noDelay: true,
    highWaterMark: WRITE_BUFFER_BYTES,
  })
  server.maxConnections = maxConnections
  server.on('request', handlers.onRequest)
  // Without this a push that waits for permission is told to go ahead before it is refused.
  server.on('checkContinue', handlers.onRequest)
  server.on('clientError', (error, socket) => handlers.onClientError(error, socket as Socket))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: listener.host, port: listener.port, reusePort: listener.reusePort ?? false }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', handlers.onError)
  return server
}
