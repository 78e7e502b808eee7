import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import pLimit from 'p-limit'
import type { Descriptor } from '../../test/support/images.ts'

export interface PullInit {
  /** Mirror to pull through, `http://127.0.0.1:PORT`. */
  readonly mirrorUrl: string
  /** Registry host that the image belongs to. */
  readonly namespace: string
  readonly repository: string
  readonly tag: string
  readonly signal: AbortSignal
  /** Called with all bytes of the image, once they are known, and those that have come. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
}

export interface PullResult {
  readonly seconds: number
  readonly blobBytes: number
}

interface Manifest {
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
}

/** containerd's default for layers fetched at once. */
const LAYERS_AT_ONCE = 3

const MANIFEST_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  '*/*',
].join(', ')

/** Pulls an image as containerd does: the tag by HEAD, the manifest by digest, then the blobs. Throws unless every digest is right. */
export async function pullAsContainerd(init: PullInit): Promise<PullResult> {
  const startMs = performance.now()
  const agent = new Agent({ keepAlive: true })
  try {
    const { config, layers } = await fetchManifest(init, agent)
    const blobs = [config, ...layers]
    const totalBytes = blobs.reduce((sum, blob) => sum + blob.size, 0)
    let doneBytes = 0
    const take = (bytes: number): void => init.onProgress?.((doneBytes += bytes), totalBytes)
    const limit = pLimit(LAYERS_AT_ONCE)
    await Promise.all(blobs.map((blob) => limit(async () => await fetchBlob(init, agent, blob, take))))
    return { seconds: (performance.now() - startMs) / 1_000, blobBytes: totalBytes }
  } finally {
    agent.destroy()
  }
}

async function fetchManifest(init: PullInit, agent: Agent): Promise<Manifest> {
  const head = await send(init, agent, 'HEAD', `manifests/${init.tag}`)
  head.resume()
  const digest = String(head.headers['docker-content-digest'])
  const bytes = await buffer(await send(init, agent, 'GET', `manifests/${digest}`))
  check(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, digest)
  return JSON.parse(bytes.toString()) as Manifest
}

async function fetchBlob(
  init: PullInit,
  agent: Agent,
  blob: Descriptor,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const hash = createHash('sha256')
  for await (const chunk of (await send(init, agent, 'GET', `blobs/${blob.digest}`)) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    onBytes(chunk.byteLength)
  }
  check(`sha256:${hash.digest('hex')}`, blob.digest)
}

async function send(init: PullInit, agent: Agent, method: string, path: string): Promise<IncomingMessage> {
  const url = `${init.mirrorUrl}/v2/${init.repository}/${path}?ns=${encodeURIComponent(init.namespace)}`
  const sent = request(url, { method, agent, signal: init.signal, headers: { accept: MANIFEST_TYPES } })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  if (response.statusCode === 200) return response
  response.resume()
  throw new Error(`${method} ${url} was answered with ${response.statusCode}`)
}

function check(actual: string, expected: string): void {
  if (actual !== expected) throw new Error(`the content of ${expected} has the digest ${actual}`)
}
