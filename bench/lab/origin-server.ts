import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SyntheticImage } from './synthetic-image.ts'
import { wantedPart } from './wanted-part.ts'

/** Bytes made and written in one step: a small part of a link's second, so that the count is nearly what has left. */
const STEP_BYTES = 128 * 1024

const NOT_FOUND = JSON.stringify({
  errors: [{ code: 'NAME_UNKNOWN', message: 'this registry has only what was put into it' }],
})

/** A read-only OCI registry for synthetic images that counts every byte of content it gives away. */
export class OriginServer {
  readonly #images = new Map<string, SyntheticImage>()
  readonly #server: Server
  #sentBytes = 0
  #requests = 0

  constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy())
    })
    // Agents keep connections for the next layer; a registry that hangs up in between would be another experiment.
    this.#server.keepAliveTimeout = 60_000
  }

  /** Listens on a free port of `address` and gives `host:port`. */
  async listen(address: string): Promise<string> {
    this.#server.listen(0, address)
    await once(this.#server, 'listening')
    return `${address}:${(this.#server.address() as AddressInfo).port}`
  }

  /** Serves `image` from now on, under any tag. */
  add(repository: string, image: SyntheticImage): void {
    this.#images.set(repository, image)
  }

  /** Bytes of manifests and blobs written so far, and requests for them. */
  get counts(): { readonly sentBytes: number; readonly requests: number } {
    return { sentBytes: this.#sentBytes, requests: this.#requests }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://origin')
    if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end()
    if (pathname === '/v2/') return void response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    const [, repository = '', kind, reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? []
    const image = this.#images.get(repository)
    const isTag = !reference.includes(':')
    const isManifest = kind === 'manifests' && (isTag || reference === image?.manifest.digest)
    const content = isManifest ? image?.manifest : image?.find(reference)
    if (content === undefined)
      return void response.writeHead(404, { 'content-type': 'application/json' }).end(NOT_FOUND)
    this.#requests += 1
    await this.#send(content, request, response)
  }

  async #send(content: Content, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const part = wantedPart(request.headers.range, content.size)
    if (part === undefined) return void response.writeHead(416, { 'content-range': `bytes */${content.size}` }).end()
    const { start, end, isWhole } = part
    response.writeHead(isWhole ? 200 : 206, {
      'content-type': content.mediaType,
      'content-length': end - start,
      'accept-ranges': 'bytes',
      'docker-content-digest': content.digest,
      ...(isWhole ? {} : { 'content-range': `bytes ${start}-${end - 1}/${content.size}` }),
    })
    if (request.method === 'GET') await this.#copy(content, start, end, response)
    response.end()
  }

  async #copy(content: Content, start: number, end: number, response: ServerResponse): Promise<void> {
    for (let at = start; at < end && !response.destroyed; at += STEP_BYTES) {
      const bytes = content.read(at, Math.min(STEP_BYTES, end - at))
      this.#sentBytes += bytes.byteLength
      if (response.write(bytes)) await nextTurn()
      else await drained(response)
    }
  }
}

type Content = SyntheticImage['manifest']

/** Until the response takes more, or its client is gone. */
async function drained(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}
