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
  /** Bytes of blobs that the mirror refused and that came from the registry itself instead. */
  readonly directBytes: number
}

interface Answer {
  readonly response: IncomingMessage
  readonly isDirect: boolean
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
    const direct = await Promise.all(blobs.map((blob) => limit(async () => await fetchBlob(init, agent, blob, take))))
    const directBytes = direct.reduce((sum, bytes) => sum + bytes, 0)
    return { seconds: (performance.now() - startMs) / 1_000, blobBytes: totalBytes, directBytes }
  } finally {
    agent.destroy()
  }
}

async function fetchManifest(init: PullInit, agent: Agent): Promise<Manifest> {
  const head = await sendToFirst(init, agent, 'HEAD', `manifests/${init.tag}`)
  head.response.resume()
  const digest = String(head.response.headers['docker-content-digest'])
  const bytes = await buffer((await sendToFirst(init, agent, 'GET', `manifests/${digest}`)).response)
  check(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, digest)
  return JSON.parse(bytes.toString()) as Manifest
}

/** Fetches one blob, from the registry itself where the mirror does not serve it; the bytes that came that way. */
async function fetchBlob(
  init: PullInit,
  agent: Agent,
  blob: Descriptor,
  onBytes: (bytes: number) => void,
): Promise<number> {
  const hash = createHash('sha256')
  const { response, isDirect } = await sendToFirst(init, agent, 'GET', `blobs/${blob.digest}`)
  for await (const chunk of response as AsyncIterable<Buffer>) {
    hash.update(chunk)
    onBytes(chunk.byteLength)
  }
  check(`sha256:${hash.digest('hex')}`, blob.digest)
  return isDirect ? blob.size : 0
}

/** Asks the mirror and, as containerd does at any status but 200, the registry next. */
async function sendToFirst(init: PullInit, agent: Agent, method: string, path: string): Promise<Answer> {
  const namespace = encodeURIComponent(init.namespace)
  const fromMirror = await send(init, agent, method, `${init.mirrorUrl}/v2/${init.repository}/${path}?ns=${namespace}`)
  if (fromMirror.statusCode === 200) return { response: fromMirror, isDirect: false }
  fromMirror.resume()
  const url = `http://${init.namespace}/v2/${init.repository}/${path}`
  const response = await send(init, agent, method, url)
  if (response.statusCode === 200) return { response, isDirect: true }
  response.resume()
  throw new Error(`${method} ${url} was answered with ${response.statusCode}`)
}

async function send(init: PullInit, agent: Agent, method: string, url: string): Promise<IncomingMessage> {
  const sent = request(url, { method, agent, signal: init.signal, headers: { accept: MANIFEST_TYPES } })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return response
}

function check(actual: string, expected: string): void {
  if (actual !== expected) throw new Error(`the content of ${expected} has the digest ${actual}`)
}
