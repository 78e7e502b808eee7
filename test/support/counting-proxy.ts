import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { OriginCounts } from './origin-counts.ts'
import { type FaultAction, FaultPlan } from './origin-faults.ts'

/** Decides whether a request may pass: `undefined`, or the challenge to answer with 401. */
export type Guard = (request: {
  readonly path: string
  readonly authorization: string | undefined
}) => string | undefined

export interface CountingProxyInit {
  /** The registry behind it, `127.0.0.1:PORT`. */
  readonly target: string
  readonly guard?: Guard
}

/**
 * The origin of a test: stands in front of a registry, counts what it serves, can be taken away and brought back at the
 * same address, slowed down, and made to fail. Everything else passes unchanged.
 */
export class CountingProxy implements AsyncDisposable {
  readonly counts = new OriginCounts()
  readonly faults = new FaultPlan()
  readonly #init: CountingProxyInit
  readonly #agent = new Agent({ keepAlive: true })
  #server: Server
  #port = 0
  #bytesPerSecond = Number.POSITIVE_INFINITY
  #sendAtMs = 0

  private constructor(init: CountingProxyInit) {
    this.#init = init
    this.#server = this.#createServer()
  }

  static async start(init: CountingProxyInit): Promise<CountingProxy> {
    const proxy = new CountingProxy(init)
    await proxy.resume()
    return proxy
  }

  /** `127.0.0.1:PORT`: the namespace of every image that comes from here. */
  get host(): string {
    return `127.0.0.1:${this.#port}`
  }

  get url(): string {
    return `http://${this.host}`
  }

  /** Limits the bodies of all answers together. */
  limitRate(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond
  }

  /** Goes away as a crashed registry does: transfers break off, connections are refused. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  /** Listens, again where it did before. */
  async resume(): Promise<void> {
    if (this.#server.listening) return
    this.#server = this.#createServer()
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    this.#agent.destroy()
  }

  #createServer(): Server {
    return createServer((incoming, answer) => {
      this.#handle(incoming, answer).catch(() => answer.destroy())
    })
  }

  async #handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const path = new URL(incoming.url ?? '/', this.url).pathname
    const fault = this.faults.take(path)
    let bodyBytes = 0
    try {
      const challenge = this.#init.guard?.({ path, authorization: incoming.headers.authorization })
      if (fault?.kind === 'status') refuse(answer, fault.status, fault.headers)
      else if (challenge !== undefined) refuse(answer, 401, { 'www-authenticate': challenge })
      else bodyBytes = await this.#forward(path, incoming, answer, fault)
    } finally {
      const method = incoming.method ?? ''
      this.counts.ended({ method, path, range: incoming.headers.range, status: answer.statusCode, bodyBytes })
    }
  }

  async #forward(
    path: string,
    incoming: IncomingMessage,
    answer: ServerResponse,
    fault: FaultAction | undefined,
  ): Promise<number> {
    const headers = { ...incoming.headers }
    if (fault?.kind === 'ignore-range') delete headers.range
    const outgoing = request(`http://${this.#init.target}${incoming.url}`, {
      method: incoming.method,
      headers,
      agent: this.#agent,
    })
    answer.once('close', () => outgoing.destroy())
    incoming.pipe(outgoing)
    const [upstream] = (await once(outgoing, 'response')) as [IncomingMessage]
    const { statusCode = 502 } = upstream
    answer.writeHead(statusCode, upstream.headers)
    return await this.#send(upstream, answer, fault, (bytes) => {
      if (statusCode < 300) this.counts.sent(path, bytes)
    })
  }

  /** Copies the body, as far as the fault and the client let it; the bytes written. */
  async #send(
    upstream: IncomingMessage,
    answer: ServerResponse,
    fault: FaultAction | undefined,
    onSent: (bytes: number) => void,
  ): Promise<number> {
    const limit = fault?.kind === 'cut' || fault?.kind === 'stall' ? fault.afterBytes : Number.POSITIVE_INFINITY
    let sent = 0
    try {
      for await (const chunk of upstream as AsyncIterable<Buffer>) {
        const part = chunk.subarray(0, limit - sent)
        await this.#pace(part.byteLength)
        if (answer.destroyed) return sent
        sent += part.byteLength
        onSent(part.byteLength)
        if (!answer.write(part)) await drained(answer)
        if (sent >= limit) break
      }
    } catch (error) {
      if (!answer.destroyed) throw error
      return sent
    }
    if (fault?.kind === 'cut') answer.socket?.destroySoon()
    else if (fault?.kind === 'stall') await once(answer, 'close')
    else answer.end()
    return sent
  }

  async #pace(bytes: number): Promise<void> {
    if (this.#bytesPerSecond === Number.POSITIVE_INFINITY) return
    const now = performance.now()
    this.#sendAtMs = Math.max(now, this.#sendAtMs) + (bytes / this.#bytesPerSecond) * 1_000
    await sleep(this.#sendAtMs - now)
  }
}

function refuse(answer: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
  const codes: Record<number, string> = { 401: 'UNAUTHORIZED', 404: 'NOT_FOUND', 429: 'TOOMANYREQUESTS' }
  const body = JSON.stringify({ errors: [{ code: codes[status] ?? 'UNKNOWN', message: `refused with ${status}` }] })
  answer.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
}

async function drained(answer: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      answer.off('drain', done).off('close', done)
      resolve()
    }
    answer.on('drain', done).on('close', done)
  })
}
