import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../core/index.ts'
import type { Answer, Answerer } from './answerer.ts'
import { type BodyWriterInit, writeBody } from './body-writer.ts'
import type { ConnectionKeeper } from './connections.ts'
import type { MirrorMetrics } from './metrics.ts'
import { isStreamed, type Reply, type StreamedBody } from './reply.ts'

export interface ExchangeInit {
  readonly body: BodyWriterInit
  readonly listenerNamespace: string | undefined
}

export interface ExchangeComponents {
  readonly answerer: Answerer
  readonly connections: ConnectionKeeper
  readonly clock: Clock
  readonly metrics: MirrorMetrics
}

/** One request and its answer on the wire. */
export class Exchange {
  readonly #init: ExchangeInit
  readonly #components: ExchangeComponents
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #ended = new AbortController()

  constructor(request: IncomingMessage, response: ServerResponse, init: ExchangeInit, components: ExchangeComponents) {
    this.#request = request
    this.#response = response
    this.#init = init
    this.#components = components
    response.once('close', () => this.#ended.abort(new DOMException('the client has gone', 'AbortError')))
    // The close that follows says all there is to know.
    response.on('error', () => {})
  }

  /** Resolves when the answer is with the kernel or will not be completed. */
  async serve(options: { readonly isLast: () => boolean }): Promise<void> {
    const { reply, client } = await this.#components.answerer.answer({
      method: this.#request.method ?? '',
      url: this.#request.url ?? '',
      header: (name) => this.#header(name),
      isSelf: (authority) => isSelf(authority, this.#request.socket),
      listenerNamespace: this.#init.listenerNamespace,
      clientSignal: this.#ended.signal,
    })
    const { body } = reply
    if (this.#ended.signal.aborted) {
      if (isStreamed(body)) body.done({ end: 'client-gone' })
      return
    }
    if (options.isLast()) this.#response.shouldKeepAlive = false
    this.#writeHead(reply)
    if (isStreamed(body)) await this.#stream(body, client)
    else await this.#end(body)
  }

  /** Breaks off: no more is fetched or written, what is written goes out, then a FIN. */
  stop(): void {
    this.#ended.abort(new DOMException('the mirror stops', 'AbortError'))
    this.#components.connections.finish(this.#request.socket)
  }

  /** A registry's word that is no header value must not leave the blob behind it open. */
  #writeHead({ status, headers, body }: Reply): void {
    try {
      this.#response.writeHead(status, headers as Record<string, string | string[]>)
    } catch (error) {
      if (isStreamed(body)) body.done({ end: 'source-failed', error })
      throw error
    }
  }

  async #stream(body: StreamedBody, client: Answer['client']): Promise<void> {
    const { clock, connections, metrics } = this.#components
    const onBytes = (sizeBytes: number): void => metrics.sentBytes.inc({ client }, sizeBytes)
    const options = { clock, signal: this.#ended.signal, onBytes }
    const outcome = await writeBody(this.#response, body.chunks, body.lengthBytes, this.#init.body, options)
    body.done(outcome)
    if (outcome.end === 'complete') await this.#end(undefined)
    // An answer that waits behind another on the same connection has no socket yet; ending that would cut the other off.
    else if (outcome.end === 'client-gone' || this.#response.socket === null) this.#response.destroy()
    else connections.finish(this.#response.socket)
  }

  async #end(body: Uint8Array | undefined): Promise<void> {
    this.#response.end(body)
    await handedOver(this.#response)
    // The rest of a push is not waited for, but read for a moment: unread bytes would turn the FIN into a RST.
    if (!this.#request.complete) this.#components.connections.finish(this.#request.socket)
  }

  #header(name: string): string | undefined {
    const value = this.#request.headers[name]
    return Array.isArray(value) ? value[0] : value
  }
}

function isSelf(authority: string, { localAddress, localPort }: Socket): boolean {
  const { hostname, port } = new URL(`http://${authority}`)
  const host = hostname.replace(/^\[|\]$/g, '')
  return Number(port === '' ? 80 : port) === localPort && (host === localAddress || host === 'localhost')
}

async function handedOver(response: ServerResponse): Promise<void> {
  if (response.writableFinished || response.closed) return
  await new Promise<void>((resolve) => {
    response.once('finish', resolve)
    response.once('close', resolve)
  })
}
