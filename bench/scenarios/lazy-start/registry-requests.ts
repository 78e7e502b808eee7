import { z } from 'zod'
import type { Child } from '../../../test/support/processes.ts'

/** One request that docker-registry has answered. */
export interface RegistryRequest {
  readonly method: string
  /** Path and query. */
  readonly uri: string
  /** IP address of the client. */
  readonly from: string
  readonly userAgent: string
  readonly status: number
  /** Bytes of body that it sent. */
  readonly sentBytes: number
}

/** Far above what one start asks for. */
const MAX_REQUESTS = 50_000

const BLOB_URI = /^\/v2\/.+\/blobs\//

/** What a docker-registry that logs its requests as JSON has answered, from a moment on. Owns what it heard. */
export class RegistryRequests implements Disposable {
  readonly #watch: Disposable
  #requests: RegistryRequest[] = []

  constructor(child: Child) {
    this.#watch = child.watchLines((line) => {
      const request = requestIn(line)
      if (request !== undefined && this.#requests.length < MAX_REQUESTS) this.#requests.push(request)
    })
  }

  /** Those since the last reset, in the order in which they were answered. */
  get all(): readonly RegistryRequest[] {
    return this.#requests
  }

  /** Those for blobs, whole or in part. */
  get blobs(): readonly RegistryRequest[] {
    return this.#requests.filter(({ uri }) => BLOB_URI.test(uri))
  }

  reset(): void {
    this.#requests = []
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]()
  }
}

/** The fields of a line that tells of an answered request. */
const answered = z.object({
  'http.request.method': z.string(),
  'http.request.uri': z.string(),
  'http.request.remoteaddr': z.string(),
  'http.request.useragent': z.string().default(''),
  'http.response.status': z.number(),
  'http.response.written': z.number().default(0),
})

/** The request that a line of the log tells of, `undefined` when it tells of something else. */
export function requestIn(line: string): RegistryRequest | undefined {
  if (!line.includes('"msg":"response completed')) return undefined
  const fields = answered.parse(JSON.parse(line))
  return {
    method: fields['http.request.method'],
    uri: fields['http.request.uri'],
    from: fields['http.request.remoteaddr'].replace(/:\d+$/, ''),
    userAgent: fields['http.request.useragent'],
    status: fields['http.response.status'],
    sentBytes: fields['http.response.written'],
  }
}
