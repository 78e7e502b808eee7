import { type AbortOptions, type Clock, type Digest, type OriginRef, ShoalError } from '../core/index.ts'
import {
  choosePlatform,
  type Descriptor,
  type Manifest,
  type Platform,
  parseImageReference,
  parseManifest,
} from '../oci/index.ts'
import type { BlobHandle, BytesBySource } from '../scheduler/index.ts'
import type { OrderedImage } from './order.ts'

/** What happens during a pull, as `POST /pull` streams it. */
export type PullEvent =
  | {
      readonly type: 'resolved'
      readonly reference: string
      readonly digest: Digest
      readonly layers: number
      readonly sizeBytes: number
    }
  | {
      readonly type: 'layer'
      readonly digest: Digest
      readonly sizeBytes: number
      readonly heldBytes: number
      readonly isComplete: boolean
    }
  | { readonly type: 'done'; readonly seconds: number; readonly bytesBySource: BytesBySource }

/** The reference cannot be pulled as it is: malformed, its registry not configured, or no such image. */
export class PullRefusedError extends ShoalError {
  constructor(message: string) {
    super(message, { code: 'PULL_REFUSED', blame: 'caller', retryable: false })
  }
}

/** A layer was fetched and is not in the store, so that fetching it ahead was of no use. */
export class NotKeptError extends ShoalError {
  constructor(digest: Digest) {
    const message = `${digest} could not be kept: there is no room in the store for it (store.quota), or it came out wrong; see the log of the agent`
    super(message, { code: 'PULL_NOT_KEPT', blame: 'local', retryable: true })
  }
}

/** Layers fetched at once, as containerd does by default. */
const LAYERS_AT_ONCE = 3

/** How often progress is told: often enough for a moving bar. */
const PROGRESS_MS = 200

/** A manifest with its bytes. */
interface Document {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
}

export interface ImagePullComponents {
  readonly allows: (namespace: string) => boolean
  readonly resolveTag: (
    origin: OriginRef,
    tag: string,
    options: AbortOptions,
  ) => Promise<{ readonly digest: Digest } | undefined>
  readonly manifest: (
    origins: readonly OriginRef[],
    digest: Digest,
    options: AbortOptions,
  ) => Promise<Document | undefined>
  readonly open: (
    blob: { readonly digest: Digest; readonly sizeBytes: number },
    origins: readonly OriginRef[],
    options: AbortOptions,
  ) => Promise<BlobHandle>
  readonly clock: Clock
  /** The platform of this machine, for an index. */
  readonly platform: Platform
}

export interface ImagePullOptions extends AbortOptions {
  readonly platform?: Platform | undefined
}

/** Pulls a whole image into the store with the agent's own rights, telling what happens. Throws what the sources throw, or a PullRefusedError. */
export async function* pullImage(
  text: string,
  components: ImagePullComponents,
  options: ImagePullOptions,
): AsyncGenerator<PullEvent> {
  const startedMs = components.clock.now()
  const image = await resolveImage(text, components, options)
  const manifest = await readImage(image, components, options)
  const blobs = uniqueBlobs(manifest)
  const sizeBytes = blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0)
  yield { type: 'resolved', reference: text, digest: image.digest, layers: manifest.layers.length, sizeBytes }
  const pull = new BlobsPull(blobs, [originOf(image)], components)
  yield* pull.run(options)
  yield { type: 'done', seconds: (components.clock.now() - startedMs) / 1000, bytesBySource: pull.bytesBySource }
}

/** Where the image is that `text` means, and its digest, which the registry is asked for when there is only a tag. */
async function resolveImage(
  text: string,
  components: ImagePullComponents,
  options: AbortOptions,
): Promise<OrderedImage> {
  const reference = parseImageReference(text)
  if (reference === undefined) throw new PullRefusedError(`${text} is not an image reference`)
  const { namespace, repository, tag = 'latest' } = reference
  if (!components.allows(namespace)) {
    throw new PullRefusedError(`${namespace} is not among the configured registries: add it under registries`)
  }
  const origin: OriginRef = { namespace, repository }
  const digest = reference.digest ?? (await components.resolveTag(origin, tag, options))?.digest
  if (digest === undefined) throw new PullRefusedError(`${namespace} has no ${repository}:${tag}`)
  return { ...origin, digest }
}

/** As `resolveImage`, and sees that it can be had, for the platform when one is named. Throws as `pullImage`. */
export async function checkImage(
  text: string,
  components: ImagePullComponents,
  options: ImagePullOptions,
): Promise<OrderedImage> {
  const image = await resolveImage(text, components, options)
  const isForAny = options.platform === undefined
  await (isForAny ? readManifest(image, image.digest, components, options) : readImage(image, components, options))
  return image
}

/** The manifest of the image for the platform. */
async function readImage(
  image: OrderedImage,
  components: ImagePullComponents,
  options: ImagePullOptions,
): Promise<Manifest> {
  const top = await readManifest(image, image.digest, components, options)
  if (top.kind === 'manifest') return top
  const chosen = choosePlatform(top.manifests, options.platform ?? components.platform)
  if (chosen === undefined)
    throw new PullRefusedError(`${image.repository} has no image for this platform: try --platform`)
  return await readManifest(image, chosen.digest, components, options)
}

async function readManifest(
  origin: OriginRef,
  digest: Digest,
  components: ImagePullComponents,
  options: AbortOptions,
): Promise<Manifest> {
  const document = await components.manifest([originOf(origin)], digest, options)
  if (document === undefined) throw new PullRefusedError(`${origin.namespace}/${origin.repository} has no ${digest}`)
  return parseManifest(document.mediaType, document.bytes)
}

function originOf({ namespace, repository }: OriginRef): OriginRef {
  return { namespace, repository }
}

function uniqueBlobs(manifest: Manifest): Descriptor[] {
  const all = [...(manifest.config === undefined ? [] : [manifest.config]), ...manifest.layers]
  return [...new Map(all.map((blob) => [blob.digest, blob])).values()]
}

/** One blob being fetched, and what its download had brought before. */
interface Fetch {
  readonly blob: Descriptor
  readonly handle: BlobHandle
  readonly before: BytesBySource
  isComplete: boolean
}

/** The blobs of one image on their way into the store, a few at a time. */
class BlobsPull {
  readonly #blobs: readonly Descriptor[]
  readonly #origins: readonly OriginRef[]
  readonly #components: ImagePullComponents
  readonly #fetches: Fetch[] = []
  #isDone = false
  #failure: { readonly error: unknown } | undefined

  constructor(blobs: readonly Descriptor[], origins: readonly OriginRef[], components: ImagePullComponents) {
    this.#blobs = blobs
    this.#origins = origins
    this.#components = components
  }

  /** Verified bytes this pull added, by source; those the store had before count as `store`. */
  get bytesBySource(): BytesBySource {
    const total = { store: 0, peers: 0, tracker: 0, origin: 0 }
    for (const { handle, before } of this.#fetches) {
      const now = handle.bytesBySource
      for (const source of ['peers', 'tracker', 'origin'] as const) total[source] += now[source] - before[source]
      total.store += handle.sizeBytes
    }
    total.store = Math.max(0, total.store - total.peers - total.tracker - total.origin)
    return total
  }

  async *run(options: AbortOptions): AsyncGenerator<PullEvent> {
    const stop = new AbortController()
    const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal])
    const finished = this.#fetchAll(stop, signal)
    try {
      while (!this.#isDone) {
        await Promise.race([finished, this.#pause()])
        yield* this.#progress()
      }
      if (this.#failure !== undefined) throw this.#failure.error
    } finally {
      stop.abort()
      await finished
      for (const { handle } of this.#fetches) handle.close()
    }
  }

  *#progress(): Generator<PullEvent> {
    for (const { blob, handle, isComplete } of this.#fetches) {
      const heldBytes = isComplete ? blob.sizeBytes : handle.heldBytes
      yield { type: 'layer', digest: blob.digest, sizeBytes: blob.sizeBytes, heldBytes, isComplete }
    }
  }

  /** Settles when no fetch is under way any more, the first failure having ended the others; never rejects. */
  async #fetchAll(stop: AbortController, signal: AbortSignal): Promise<void> {
    const queue = this.#blobs.entries()
    const worker = async (): Promise<void> => {
      for (const [, blob] of queue) {
        if (this.#failure !== undefined) return
        try {
          await this.#fetch(blob, signal)
        } catch (error) {
          this.#failure ??= { error }
          stop.abort()
        }
      }
    }
    await Promise.all(Array.from({ length: LAYERS_AT_ONCE }, worker))
    this.#isDone = true
  }

  async #fetch(blob: Descriptor, signal: AbortSignal): Promise<void> {
    const handle = await this.#components.open(blob, this.#origins, { signal })
    const entry: Fetch = { blob, handle, before: handle.bytesBySource, isComplete: false }
    this.#fetches.push(entry)
    await handle.complete('whole', () => undefined, { signal, bandwidth: 'background' })
    if (!handle.isComplete) throw new NotKeptError(blob.digest)
    entry.isComplete = true
  }

  async #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#components.clock.after(PROGRESS_MS, resolve)
    await promise
  }
}
