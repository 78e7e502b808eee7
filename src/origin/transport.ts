import { readFile } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'
import type { Dispatcher } from 'undici'
import type { AbortOptions } from '../core/index.ts'
import { ShoalError } from '../core/index.ts'
import { FORBIDDEN_ADDRESS, guardedLookup } from './address-policy.ts'
import { Answer } from './answer.ts'
import { OriginBrokenError, OriginUnavailableError } from './errors.ts'
import type { Place } from './place.ts'
import { isGuarded } from './redirect-policy.ts'
import type { OriginTimeouts } from './settings.ts'

/** Idle connections are kept this long: longer than the gap between two layers, shorter than load balancers' 60 s. */
const KEEP_ALIVE_MS = 30_000

/** Signed URLs in Location headers reach 8 KiB; Node's own limit is 16 KiB. */
const MAX_HEADER_BYTES = 32 * 1024

/** Error codes of TLS that say the certificate is wrong, which trying again does not change. */
const CERTIFICATE_ERRORS: ReadonlySet<string> = new Set([
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** Codes of undici for answers that break HTTP itself, or are over a limit of ours. */
const PROTOCOL_ERRORS: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
])

/** One HTTP request as it goes on the wire. */
export interface HttpRequest {
  readonly url: URL
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

/** Sends single requests; redirects, authentication and retries are for those above. */
export interface HttpSender {
  /** Resolves when the headers are here. Throws OriginUnavailableError or OriginBrokenError, or the signal's reason. */
  send(request: HttpRequest, options: AbortOptions): Promise<Answer>
}

export interface TransportInit {
  readonly place: Place
  readonly caFile: string | undefined
  readonly timeouts: OriginTimeouts
  readonly userAgent: string
  readonly onBytes: (count: number) => void
}

interface Dispatchers {
  readonly trusted: Dispatcher
  /** Does not connect to forbidden addresses, whatever name leads there. */
  readonly guarded: Dispatcher
}

/** The sockets of one registry and of the storage it redirects to. */
export class Transport implements HttpSender {
  readonly #init: TransportInit
  #dispatchers: Promise<Dispatchers> | undefined

  constructor(init: TransportInit) {
    this.#init = init
  }

  async send(request: HttpRequest, options: AbortOptions): Promise<Answer> {
    const { place, timeouts, userAgent, onBytes } = this.#init
    const { trusted, guarded } = await this.#ready()
    options.signal?.throwIfAborted()
    const translate = (error: unknown) => translateError(error, request.url, options)
    try {
      const response = await (isGuarded(place, request.url) ? guarded : trusted).request({
        origin: request.url.origin,
        path: request.url.pathname + request.url.search,
        method: request.method,
        // Bytes are counted, cut and hashed as the registry stores them, so no coding on the way.
        headers: { ...request.headers, 'user-agent': userAgent, 'accept-encoding': 'identity' },
        body: request.body ?? null,
        signal: options.signal ?? null,
        headersTimeout: timeouts.headersMs,
        bodyTimeout: timeouts.bodyIdleMs,
      })
      const { statusCode: status, headers, body } = response
      const hasBody = request.method !== 'HEAD'
      return new Answer({ url: request.url, status, headers, body, hasBody, translate, onBytes })
    } catch (error) {
      throw translate(error)
    }
  }

  /** Cuts every connection; bodies still being read fail. */
  async close(): Promise<void> {
    if (this.#dispatchers === undefined) return
    const { trusted, guarded } = await this.#dispatchers
    await Promise.all([trusted.destroy(), guarded.destroy()])
  }

  // The file is read at the first request, and again at the next one if it could not be read.
  async #ready(): Promise<Dispatchers> {
    this.#dispatchers ??= this.#open()
    try {
      return await this.#dispatchers
    } catch (error) {
      this.#dispatchers = undefined
      throw error
    }
  }

  async #open(): Promise<Dispatchers> {
    const { caFile, timeouts } = this.#init
    const ca = caFile === undefined ? {} : { ca: [...rootCertificates, await readCertificates(caFile)] }
    // Loaded with the first request: an agent whose peers have everything does without these 4 MB.
    const { Agent } = await import('undici')
    const connect = { timeout: timeouts.connectMs, ...ca }
    const options = {
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      // One blob per connection: HTTP/2 costs undici twice the CPU per byte, and one lost packet stalls every blob.
      allowH2: false,
    }
    return {
      trusted: new Agent({ ...options, connect }),
      guarded: new Agent({ ...options, connect: { ...connect, lookup: guardedLookup } }),
    }
  }
}

async function readCertificates(caFile: string): Promise<string> {
  try {
    return await readFile(caFile, 'utf8')
  } catch (cause) {
    throw new ShoalError(`cannot read the certificates in ${caFile}`, {
      code: 'ORIGIN_CA_FILE',
      blame: 'local',
      retryable: false,
      cause,
    })
  }
}

function translateError(error: unknown, url: URL, { signal }: AbortOptions): unknown {
  if (signal?.aborted === true) return signal.reason
  if (error instanceof ShoalError) return error
  const code = codeOf(error)
  if (code === FORBIDDEN_ADDRESS) return new OriginBrokenError(`redirect to ${url.hostname}`, error)
  if (CERTIFICATE_ERRORS.has(code))
    return new OriginBrokenError(`certificate of ${url.host} is not valid (${code})`, error)
  if (PROTOCOL_ERRORS.has(code)) return new OriginBrokenError(`answer of ${url.host} breaks HTTP (${code})`, error)
  return new OriginUnavailableError(`request to ${url.host} failed (${code})`, { cause: error })
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
