import { createHash } from 'node:crypto'
import { type Dispatcher, Pool } from 'undici'
import type { AbortOptions } from '../../../src/core/index.ts'

export interface RegistryClientInit {
  /** `http://127.0.0.1:PORT` of a registry or of an agent's mirror. */
  readonly url: string
  readonly repository: string
  /** What a mirror is told with `ns`; a registry is told nothing. */
  readonly namespace?: string
  readonly userAgent: string
}

/** What of an OCI manifest a pull needs. */
export interface Manifest {
  readonly config: { readonly digest: string; readonly size: number }
  readonly layers: readonly { readonly digest: string; readonly size: number }[]
}

/** How long a blob took, seen where the client stands. */
export interface BlobTimes {
  /** From sending the request to the first byte of the body. */
  readonly firstByteMs: number
  /** From sending the request to the last byte, its sha256 taken and right. */
  readonly seconds: number
}

/** How long a range took, and what came. */
export interface RangeAnswer {
  /** From sending the request to the last byte. */
  readonly tookMs: number
  readonly bytes: Buffer
}

/** As many as containerd has: three layers at a time. */
const CONNECTIONS = 3

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'

/** One client of one registry or mirror, on kept connections. */
export class RegistryClient implements AsyncDisposable {
  readonly #init: RegistryClientInit
  readonly #pool: Pool

  constructor(init: RegistryClientInit) {
    this.#init = init
    this.#pool = new Pool(init.url, { connections: CONNECTIONS, pipelining: 1 })
  }

  /** The manifest of a tag as containerd gets it: the digest by HEAD, then the bytes by digest. Throws unless they match. */
  async manifest(tag: string, options: AbortOptions): Promise<Manifest> {
    const head = await this.#send('HEAD', `manifests/${tag}`, { accept: MANIFEST_TYPE }, options)
    await head.body.dump()
    const digest = String(head.headers['docker-content-digest'])
    const answer = await this.#send('GET', `manifests/${digest}`, { accept: MANIFEST_TYPE }, options)
    const bytes = Buffer.from(await answer.body.arrayBuffer())
    expectDigest(createHash('sha256').update(bytes).digest('hex'), digest)
    return JSON.parse(bytes.toString()) as Manifest
  }

  /** Reads a whole blob and throws unless its digest is right. */
  async blob(digest: string, options: AbortOptions): Promise<BlobTimes> {
    const startMs = performance.now()
    const { body } = await this.#send('GET', `blobs/${digest}`, {}, options)
    const hash = createHash('sha256')
    let firstByteMs = Number.NaN
    for await (const piece of body as AsyncIterable<Buffer>) {
      if (Number.isNaN(firstByteMs)) firstByteMs = performance.now() - startMs
      hash.update(piece)
    }
    expectDigest(hash.digest('hex'), digest)
    return { firstByteMs, seconds: (performance.now() - startMs) / 1000 }
  }

  /** The size of a blob, by HEAD. */
  async blobSize(digest: string, options: AbortOptions): Promise<number> {
    const { headers, body } = await this.#send('HEAD', `blobs/${digest}`, {}, options)
    await body.dump()
    return Number(headers['content-length'])
  }

  /** Bytes [start, end) of a blob. */
  async range(digest: string, start: number, end: number, options: AbortOptions): Promise<RangeAnswer> {
    const headers = { range: `bytes=${start}-${end - 1}`, 'accept-encoding': 'identity' }
    const startMs = performance.now()
    const { statusCode, body } = await this.#send('GET', `blobs/${digest}`, headers, options)
    const bytes = Buffer.from(await body.arrayBuffer())
    const tookMs = performance.now() - startMs
    if (statusCode !== 206) throw new Error(`a range of ${digest} was answered with ${statusCode}`)
    return { tookMs, bytes }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy()
  }

  async #send(
    method: Dispatcher.HttpMethod,
    path: string,
    headers: Readonly<Record<string, string>>,
    { signal }: AbortOptions,
  ): Promise<Dispatcher.ResponseData> {
    const { repository, namespace, userAgent } = this.#init
    const query = namespace === undefined ? '' : `?ns=${encodeURIComponent(namespace)}`
    const answer = await this.#pool.request({
      method,
      path: `/v2/${repository}/${path}${query}`,
      headers: { ...headers, 'user-agent': userAgent },
      signal: signal ?? null,
    })
    if (answer.statusCode < 300) return answer
    await answer.body.dump()
    throw new Error(`${method} ${path} was answered with ${answer.statusCode} by ${this.#init.url}`)
  }
}

function expectDigest(hex: string, digest: string): void {
  if (`sha256:${hex}` !== digest) throw new Error(`the content of ${digest} has another digest: sha256:${hex}`)
}
