/** One request as the origin saw it. */
export interface OriginRequest {
  readonly method: string
  readonly path: string
  readonly range: string | undefined
  readonly status: number
  /** Bytes of body that were written. */
  readonly bodyBytes: number
}

/** Far above what any test asks for; keeps a runaway client from filling the memory of the test. */
const REQUEST_LIMIT = 20_000

const CONTENT_PATH = /^\/v2\/.+\/(blobs|manifests)\/([^/]+)$/

/** What an origin has served since the last reset. */
export class OriginCounts {
  readonly #blobBytesByDigest = new Map<string, number>()
  #requests: OriginRequest[] = []
  #manifestGets = 0

  /** The requests in the order in which they ended. */
  get requests(): readonly OriginRequest[] {
    return this.#requests
  }

  get blobBytesByDigest(): ReadonlyMap<string, number> {
    return this.#blobBytesByDigest
  }

  /** Bytes of blobs, whole or in part, of all repositories. */
  get blobBytes(): number {
    return this.#blobBytesByDigest.values().reduce((sum, bytes) => sum + bytes, 0)
  }

  /** How many times a manifest's body was served. */
  get manifestGets(): number {
    return this.#manifestGets
  }

  /** Counts bytes of a body as they leave, so that a test can act in the middle of a transfer. */
  sent(path: string, bytes: number): void {
    const [, kind, reference] = CONTENT_PATH.exec(path) ?? []
    if (kind !== 'blobs' || reference === undefined) return
    this.#blobBytesByDigest.set(reference, (this.#blobBytesByDigest.get(reference) ?? 0) + bytes)
  }

  /** Takes in a request that is over. */
  ended(request: OriginRequest): void {
    if (this.#requests.length < REQUEST_LIMIT) this.#requests.push(request)
    const kind = CONTENT_PATH.exec(request.path)?.[1]
    if (kind === 'manifests' && request.method === 'GET' && request.status < 300) this.#manifestGets += 1
  }

  reset(): void {
    this.#requests = []
    this.#blobBytesByDigest.clear()
    this.#manifestGets = 0
  }
}
