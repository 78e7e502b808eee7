import { createHash } from 'node:crypto'
import { Agent } from 'node:http'
import { buffer } from 'node:stream/consumers'
import pLimit from 'p-limit'
import { HostChain, type PullHost } from './host-chain.ts'

export interface PullInit {
  /** Asked in this order: the mirror, then the registry itself. */
  readonly hosts: readonly PullHost[]
  readonly repository: string
  readonly tag: string
  readonly signal: AbortSignal
  /** Called with all bytes of the image, once they are known, and those that have come. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
}

export interface PullResult {
  /** Bytes of config and layers. */
  readonly blobBytes: number
  /** Bytes of these that came from the registry itself, which is the last of several hosts. */
  readonly directBytes: number
  /** Bodies that broke off and were resumed. */
  readonly resumed: number
  /** Why hosts were passed over, the first of these times. */
  readonly refusals: readonly string[]
}

interface Descriptor {
  readonly digest: string
  readonly size: number
  readonly platform?: { readonly os: string; readonly architecture: string }
}

interface Manifest {
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
}

/** containerd's default for layers fetched at once. */
const LAYERS_AT_ONCE = 3

/** How often containerd goes on after a body broke off without having got a byte further. */
const MAX_FRUITLESS = 3

const MANIFEST_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  '*/*',
].join(', ')

/**
 * Pulls an image as containerd does: the tag by HEAD, the manifest by digest, then the blobs, three at a time, the next host
 * wherever one does not answer with the content. Keeps nothing. Throws unless every digest is right.
 */
export async function pullAsContainerd(init: PullInit): Promise<PullResult> {
  using agent = disposable(new Agent({ keepAlive: true }))
  const pull = new ContainerdPull(init, agent.value)
  return await pull.run()
}

class ContainerdPull {
  readonly #init: PullInit
  readonly #hosts: HostChain
  #doneBytes = 0
  #totalBytes = 0
  #directBytes = 0
  #resumed = 0

  constructor(init: PullInit, agent: Agent) {
    this.#init = init
    this.#hosts = new HostChain({ hosts: init.hosts, repository: init.repository, agent, signal: init.signal })
  }

  async run(): Promise<PullResult> {
    const head = await this.#hosts.send('HEAD', `manifests/${this.#init.tag}`, { accept: MANIFEST_TYPES })
    head.response.resume()
    const { config, layers } = await this.#manifest(String(head.response.headers['docker-content-digest']))
    const blobs = [config, ...layers]
    this.#totalBytes = blobs.reduce((sum, blob) => sum + blob.size, 0)
    const limit = pLimit(LAYERS_AT_ONCE)
    await Promise.all(blobs.map((blob) => limit(async () => await this.#blob(blob))))
    return {
      blobBytes: this.#totalBytes,
      directBytes: this.#directBytes,
      resumed: this.#resumed,
      refusals: this.#hosts.refusals,
    }
  }

  /** The manifest of that digest, or the one for this machine that the index of that digest names. */
  async #manifest(digest: string): Promise<Manifest> {
    const { response } = await this.#hosts.send('GET', `manifests/${digest}`, { accept: MANIFEST_TYPES })
    const bytes = await buffer(response)
    check(createHash('sha256').update(bytes).digest('hex'), digest)
    const document = JSON.parse(bytes.toString()) as Manifest | { readonly manifests: readonly Descriptor[] }
    if (!('manifests' in document)) return document
    const architecture = process.arch === 'x64' ? 'amd64' : process.arch
    const own = document.manifests.find(
      ({ platform }) => platform?.os === 'linux' && platform.architecture === architecture,
    )
    if (own === undefined) throw new Error(`the index has nothing for linux/${architecture}`)
    return await this.#manifest(own.digest)
  }

  /** Fetches one blob, going on where a body broke off as containerd does. */
  async #blob({ digest, size }: Descriptor): Promise<void> {
    const hash = createHash('sha256')
    let doneBytes = 0
    for (let fruitless = 0; doneBytes < size; ) {
      const range = doneBytes > 0 ? { range: `bytes=${doneBytes}-` } : {}
      const { response, isDirect } = await this.#hosts.send('GET', `blobs/${digest}`, range)
      const before = doneBytes
      try {
        for await (const bytes of response as AsyncIterable<Buffer>) {
          hash.update(bytes)
          doneBytes += bytes.byteLength
          this.#count(bytes.byteLength, isDirect)
        }
      } catch (error) {
        fruitless = doneBytes > before ? 0 : fruitless + 1
        if (this.#init.signal.aborted || fruitless > MAX_FRUITLESS) throw error
        this.#resumed += 1
      }
    }
    check(hash.digest('hex'), digest)
  }

  #count(bytes: number, isDirect: boolean): void {
    this.#doneBytes += bytes
    if (isDirect) this.#directBytes += bytes
    this.#init.onProgress?.(this.#doneBytes, this.#totalBytes)
  }
}

function check(sha256: string, digest: string): void {
  if (`sha256:${sha256}` !== digest) throw new Error(`the content of ${digest} has the digest sha256:${sha256}`)
}

function disposable(value: Agent): { readonly value: Agent } & Disposable {
  return { value, [Symbol.dispose]: () => value.destroy() }
}
