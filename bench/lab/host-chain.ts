import { once } from 'node:events'
import { type Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'

/** A server that may have an image. */
export interface PullHost {
  /** `http://address:port`. */
  readonly url: string
  /** Registry the image belongs to, said to mirrors (containerd's `ns`). */
  readonly namespace?: string
}

export interface HostChainInit {
  readonly hosts: readonly PullHost[]
  readonly repository: string
  /** For hosts without TLS. */
  readonly agent: Agent
  readonly signal: AbortSignal
}

export interface Answer {
  readonly response: IncomingMessage
  /** Whether the last of several hosts gave it: the registry, behind its mirrors. */
  readonly isDirect: boolean
}

type RequestHeaders = Readonly<Record<string, string>>

/** Who the mirror is to think asks: what it does for a client depends on what that client does when it fails. */
const USER_AGENT = 'containerd/v2.1.0'

/** Refusals kept of one pull; more of them say nothing new. */
const MAX_REFUSALS = 20

/** Asks one host after the other, as containerd goes through the hosts of a `hosts.toml`. */
export class HostChain {
  readonly #init: HostChainInit
  /** Why a host was passed over, the first times. */
  readonly refusals: string[] = []

  constructor(init: HostChainInit) {
    this.#init = init
  }

  /** The first answer with the content; throws what the last host said when none has it. */
  async send(method: 'GET' | 'HEAD', path: string, headers: RequestHeaders): Promise<Answer> {
    const { hosts } = this.#init
    const wanted = headers['range'] === undefined ? 200 : 206
    let failure: Error | undefined
    for (const [index, host] of hosts.entries()) {
      try {
        const response = await this.#request(host, method, path, headers)
        if (response.statusCode === wanted) return { response, isDirect: index > 0 && index === hosts.length - 1 }
        response.resume()
        failure = new Error(`${method} ${path} was answered with ${response.statusCode} by ${host.url}`)
      } catch (error) {
        this.#init.signal.throwIfAborted()
        failure = error instanceof Error ? error : new Error(String(error))
      }
      if (this.refusals.length < MAX_REFUSALS) this.refusals.push(failure.message)
    }
    throw failure ?? new Error('there is no host to ask')
  }

  async #request(host: PullHost, method: string, path: string, headers: RequestHeaders): Promise<IncomingMessage> {
    const { repository, agent, signal } = this.#init
    const url = new URL(`/v2/${repository}/${path}`, host.url)
    if (host.namespace !== undefined) url.searchParams.set('ns', host.namespace)
    const isPlain = url.protocol === 'http:'
    const sentHeaders = { 'user-agent': USER_AGENT, ...headers }
    const options = { method, headers: sentHeaders, signal, ...(isPlain ? { agent } : {}) }
    const sent = isPlain ? httpRequest(url, options) : httpsRequest(url, options)
    sent.end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    return response
  }
}
