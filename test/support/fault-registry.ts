import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { parseDistributionPath, referenceText } from '../../src/oci/index.ts'
import { AuthDesk, type RegistryAuth } from './fault-registry-auth.ts'
import { ranged, type RightAnswer, sendFaulty } from './fault-registry-body.ts'
import { type AddedImage, Content, type WireDescriptor } from './fault-registry-content.ts'
import { Faults, type RequestKind } from './fault-registry-faults.ts'
import { RegistryStats, type SeenRequest } from './fault-registry-stats.ts'

export interface FaultRegistryInit {
  /** Everybody may pull when left out. */
  readonly auth?: RegistryAuth
  /** Blobs are redirected to a second server by URLs that work this long. */
  readonly storage?: { readonly urlLifeMs: number }
}

const EMPTY = Buffer.alloc(0)

/** Starts a registry on a free port of the loopback address. */
export async function startFaultRegistry(init: FaultRegistryInit = {}): Promise<FaultRegistry> {
  const registry = new FaultRegistry(init)
  await registry.start()
  return registry
}

/**
 * A registry in this process whose answers can be made to go wrong, for testing what pulls from it: blobs and manifests from memory,
 * basic or token authentication, redirects to a storage server with signed URLs.
 */
export class FaultRegistry implements AsyncDisposable {
  readonly faults = new Faults()
  readonly stats = new RegistryStats()
  readonly content = new Content()
  readonly #init: FaultRegistryInit
  readonly #auth: AuthDesk
  readonly #server: Server
  readonly #storage: Server
  readonly #expiryBySignature = new Map<string, number>()

  constructor(init: FaultRegistryInit) {
    this.#init = init
    this.#auth = new AuthDesk(init.auth, () => this.url)
    this.#server = createServer((request, response) => void this.#serve(request, response, this.#kindOf(request)))
    this.#storage = createServer((request, response) => void this.#serve(request, response, 'storage'))
  }

  async start(): Promise<void> {
    for (const server of [this.#server, this.#storage]) {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    }
  }

  /** `127.0.0.1:<port>`, which is also its namespace. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get url(): string {
    return `http://${this.host}`
  }

  get storageUrl(): string {
    return `http://127.0.0.1:${(this.#storage.address() as AddressInfo).port}`
  }

  addBlob(repository: string, bytes: Uint8Array, mediaType?: string): WireDescriptor {
    return this.content.addBlob(repository, bytes, mediaType)
  }

  addManifest(repository: string, manifest: object, options?: { tag?: string; mediaType?: string }): WireDescriptor {
    return this.content.addManifest(repository, manifest, options)
  }

  addImage(repository: string, tag: string, layers: readonly Uint8Array[]): AddedImage {
    return this.content.addImage(repository, tag, layers)
  }

  /** Makes the tokens given out so far worthless. */
  revokeTokens(): void {
    this.#auth.revokeTokens()
  }

  /** Makes the storage URLs given out so far worthless. */
  expireStorageUrls(): void {
    this.#expiryBySignature.clear()
  }

  /** Ends every connection and stops listening. */
  async close(): Promise<void> {
    for (const server of [this.#server, this.#storage]) {
      server.closeAllConnections()
      if (server.listening) await new Promise((resolve) => server.close(resolve))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #kindOf({ url = '' }: IncomingMessage): RequestKind {
    if (url.startsWith('/token')) return 'token'
    const kind = parseDistributionPath(pathOf(url))?.kind
    return kind === 'manifest' || kind === 'blob' || kind === 'tags' || kind === 'referrers' ? kind : 'ping'
  }

  async #serve(request: IncomingMessage, response: ServerResponse, kind: RequestKind): Promise<void> {
    const { method = 'GET', url = '', headers } = request
    const { range, authorization } = headers
    const seen: SeenRequest = { kind, method, path: url, range, authorization, headers, status: 0, bodyBytes: 0 }
    this.stats.requests.push(seen)
    const fault = this.faults.take(kind, method, url)
    const right =
      kind === 'storage'
        ? this.#storageAnswer(seen, fault?.kind === 'ignore-range')
        : this.#answer(seen, fault?.kind === 'ignore-range')
    seen.bodyBytes = await sendFaulty(request, response, right, fault)
    seen.status = response.statusCode
  }

  #answer(seen: SeenRequest, ignoresRange: boolean): RightAnswer {
    const { path, authorization } = seen
    if (seen.kind === 'token') return this.#tokenAnswer(new URL(path, this.url).searchParams, authorization)
    const parsed = parseDistributionPath(pathOf(path))
    if (parsed === undefined || parsed.kind === 'invalid') return json(404, { errors: [{ code: 'NAME_UNKNOWN' }] })
    const challenge = this.#auth.challenge('name' in parsed ? parsed.name : '', authorization)
    if (challenge !== undefined)
      return json(401, { errors: [{ code: 'UNAUTHORIZED' }] }, { 'www-authenticate': challenge })
    switch (parsed.kind) {
      case 'manifest':
        return this.#manifestAnswer(parsed.name, referenceText(parsed.reference))
      case 'blob':
        return this.#blobAnswer(parsed.name, parsed.digest, ignoresRange ? undefined : seen.range)
      case 'tags': {
        const tags = this.content.tags(parsed.name)
        return tags === undefined
          ? json(404, { errors: [{ code: 'NAME_UNKNOWN' }] })
          : json(200, { name: parsed.name, tags })
      }
      case 'referrers':
        return json(200, { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] })
      default:
        return json(200, {})
    }
  }

  #tokenAnswer(query: URLSearchParams, authorization: string | undefined): RightAnswer {
    const token = this.#auth.token(query, authorization)
    return token === undefined ? json(401, {}) : json(200, token)
  }

  #manifestAnswer(repository: string, reference: string): RightAnswer {
    const manifest = this.content.manifest(repository, reference)
    if (manifest === undefined) return json(404, { errors: [{ code: 'MANIFEST_UNKNOWN' }] })
    const { bytes, mediaType, digest } = manifest
    const headers = { 'content-type': mediaType, 'content-length': bytes.byteLength, 'docker-content-digest': digest }
    return { status: 200, headers, body: bytes }
  }

  #blobAnswer(repository: string, digest: string, range: string | undefined): RightAnswer {
    const blob = this.content.blob(repository, digest)
    if (blob === undefined) return json(404, { errors: [{ code: 'BLOB_UNKNOWN' }] })
    if (this.#init.storage === undefined)
      return ranged(blob, range, { 'content-type': 'application/octet-stream', 'docker-content-digest': digest })
    const signature = randomBytes(8).toString('hex')
    this.#expiryBySignature.set(signature, Date.now() + this.#init.storage.urlLifeMs)
    const location = `${this.storageUrl}/${repository}/${digest}?signature=${signature}`
    return { status: 307, headers: { location, 'content-length': 0 }, body: EMPTY }
  }

  #storageAnswer({ path, range, authorization }: SeenRequest, ignoresRange: boolean): RightAnswer {
    const url = new URL(path, this.storageUrl)
    const expiresAtMs = this.#expiryBySignature.get(url.searchParams.get('signature') ?? '') ?? 0
    // As S3 does: a request signed in two ways is refused.
    if (authorization !== undefined) return { status: 400, headers: { 'content-length': 0 }, body: EMPTY }
    if (expiresAtMs <= Date.now()) return { status: 403, headers: { 'content-length': 0 }, body: EMPTY }
    const [, repository = '', digest = ''] = /^\/(.+)\/(sha256:[0-9a-f]{64})$/.exec(url.pathname) ?? []
    const blob = this.content.blob(repository, digest)
    return blob === undefined
      ? json(404, {})
      : ranged(blob, ignoresRange ? undefined : range, { 'content-type': 'binary/octet-stream' })
  }
}

function json(status: number, value: object, headers: Readonly<Record<string, string>> = {}): RightAnswer {
  const body = Buffer.from(JSON.stringify(value))
  return {
    status,
    headers: { 'content-type': 'application/json', 'content-length': body.byteLength, ...headers },
    body,
  }
}

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? ''
}
