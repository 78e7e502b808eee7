import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BuiltImage, blobPath, type Descriptor } from '../../test/support/images.ts'
import { wantedPart } from '../lab/wanted-part.ts'

export interface EmbeddedRegistryInit {
  readonly image: BuiltImage
  /** Repository and tag under which the image is found. */
  readonly repository: string
  readonly tag: string
  /** Rate of all blob bodies together: what a registry's uplink gives a whole cluster. */
  readonly bytesPerSecond: number
}

/** Read size of a blob; small enough that the rate is kept smoothly. */
const READ_BYTES = 256 * 1024

/**
 * A read-only OCI registry for one image, served from its layout folder: the origin of a machine that has no
 * docker-registry. Counts the bytes of blobs that leave it.
 */
export class EmbeddedRegistry implements AsyncDisposable {
  readonly #init: EmbeddedRegistryInit
  readonly #blobs: ReadonlyMap<string, Descriptor>
  readonly #server: Server
  #blobBytes = 0
  #sendAtMs = 0

  private constructor(init: EmbeddedRegistryInit) {
    this.#init = init
    this.#blobs = new Map([init.image.config, ...init.image.layers].map((blob) => [blob.digest, blob]))
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy())
    })
  }

  /** Listens on a free port of the loopback address. */
  static async start(init: EmbeddedRegistryInit): Promise<EmbeddedRegistry> {
    const registry = new EmbeddedRegistry(init)
    registry.#server.listen(0, '127.0.0.1')
    await once(registry.#server, 'listening')
    return registry
  }

  /** `127.0.0.1:PORT`, the namespace of the image. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Bytes of blobs sent so far. */
  get blobBytes(): number {
    return this.#blobBytes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', `http://${this.host}`)
    const { repository, tag, image } = this.#init
    const base = `/v2/${repository}`
    const blob = this.#blobs.get(pathname.slice(`${base}/blobs/`.length))
    const isManifest = [tag, image.manifest.digest].some((reference) => pathname === `${base}/manifests/${reference}`)
    if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405).end()
    else if (pathname === '/v2/') response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    else if (isManifest) await this.#sendManifest(request, response)
    else if (blob !== undefined && pathname.startsWith(`${base}/blobs/`)) await this.#sendBlob(blob, request, response)
    else response.writeHead(404, { 'content-type': 'application/json' }).end(NOT_FOUND)
  }

  async #sendManifest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { manifest, layoutFolder } = this.#init.image
    const headers = {
      'content-type': manifest.mediaType,
      'content-length': manifest.size,
      'docker-content-digest': manifest.digest,
    }
    response.writeHead(200, headers)
    response.end(request.method === 'HEAD' ? undefined : await readFile(blobPath(layoutFolder, manifest.digest)))
  }

  async #sendBlob(blob: Descriptor, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const part = wantedPart(request.headers.range, blob.size)
    if (part === undefined) {
      response.writeHead(416, { 'content-range': `bytes */${blob.size}` }).end()
      return
    }
    const { start, end, isWhole } = part
    response.writeHead(isWhole ? 200 : 206, {
      'content-type': 'application/octet-stream',
      'content-length': end - start,
      'accept-ranges': 'bytes',
      'docker-content-digest': blob.digest,
      ...(isWhole ? {} : { 'content-range': `bytes ${start}-${end - 1}/${blob.size}` }),
    })
    if (request.method === 'GET') await this.#copy(blob, start, end, response)
    response.end()
  }

  async #copy(blob: Descriptor, start: number, end: number, response: ServerResponse): Promise<void> {
    const file = createReadStream(blobPath(this.#init.image.layoutFolder, blob.digest), {
      start,
      end: end - 1,
      highWaterMark: READ_BYTES,
    })
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    for await (const chunk of file as AsyncIterable<Buffer>) {
      await this.#pace(chunk.byteLength)
      if (response.destroyed) return
      this.#blobBytes += chunk.byteLength
      if (!response.write(chunk)) await once(response, 'drain', { signal: gone.signal })
    }
  }

  /** Spaces out the bytes of all answers so that together they keep the rate. */
  async #pace(bytes: number): Promise<void> {
    const now = performance.now()
    this.#sendAtMs = Math.max(now, this.#sendAtMs) + (bytes / this.#init.bytesPerSecond) * 1_000
    await sleep(this.#sendAtMs - now)
  }
}

const NOT_FOUND = JSON.stringify({ errors: [{ code: 'NAME_UNKNOWN', message: 'this registry has one image' }] })
