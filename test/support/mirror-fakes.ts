import {
  type AbortOptions,
  type Digest,
  digestOf,
  type OriginRef,
  ShoalError,
  systemClock,
} from '../../src/core/index.ts'
import {
  type AccessGate,
  type AccessOutcome,
  type AccessSubject,
  type BlobDemand,
  type BlobHandle,
  type BlobRequest,
  type BlobSource,
  type ByteRange,
  type DigestHistory,
  type DocumentSource,
  type ManifestDescriptor,
  type ManifestDocument,
  MirrorServer,
  type MirrorServerInit,
  namespaceAllowList,
  type ReferrersDocument,
  type SeenOrigin,
  type TagsPage,
  type TagsQuery,
} from '../../src/mirror/index.ts'
import { Metrics, silentLogger } from '../../src/telemetry/index.ts'
import { BufferPool, type Lease } from '../../src/util/index.ts'

/** Bytes of an endless, position-dependent pattern, so that a byte at the wrong offset is seen. */
export function patternBytes(start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafe(end - start)
  for (let i = 0; i < bytes.length; i++) bytes[i] = ((start + i) * 31 + ((start + i) >>> 8)) & 0xff
  return bytes
}

/** What a fake blob does when it is read. */
export interface FakeBlob {
  readonly sizeBytes: number
  /** The bytes of [start, end); the pattern by default. */
  readonly content?: (start: number, end: number) => Uint8Array
  readonly chunkBytes?: number
  /** Reads throw once this many bytes were given. */
  readonly failAfterBytes?: number
  /** Reads wait here until aborted once this many bytes were given. */
  readonly stallAfterBytes?: number
}

export class SourcesFailedError extends ShoalError {
  constructor() {
    super('every source failed', { code: 'BLOB_UNAVAILABLE', blame: 'origin', retryable: true })
  }
}

/** Blobs from memory, with a record of what was asked of them. */
export class FakeBlobSource implements BlobSource {
  readonly blobs = new Map<Digest, FakeBlob>()
  /** What is given back before the client has it shows as rubbish in its body. */
  readonly buffers = new BufferPool(
    { maxIdleBytes: 1 << 24, minPooledBytes: 1024, isPoisoning: true },
    { clock: systemClock },
  )
  readonly requests: BlobRequest[] = []
  readonly reads: { range: ByteRange; demand: BlobDemand }[] = []
  /** Set: `open` throws this. */
  openError: Error | undefined
  producedBytes = 0
  abortedReads = 0
  openHandles = 0

  add(content: Uint8Array, blob: Partial<FakeBlob> = {}): Digest {
    const digest = digestOf(content)
    this.blobs.set(digest, {
      sizeBytes: content.byteLength,
      content: (start, end) => content.subarray(start, end),
      ...blob,
    })
    return digest
  }

  async open(request: BlobRequest, _options: AbortOptions): Promise<BlobHandle | undefined> {
    this.requests.push(request)
    if (this.openError !== undefined) throw this.openError
    const blob = this.blobs.get(request.digest)
    if (blob === undefined) return undefined
    this.openHandles += 1
    return {
      sizeBytes: blob.sizeBytes,
      lend: (range, demand, options) => {
        this.reads.push({ range, demand })
        return this.#read(blob, range, options)
      },
      close: () => {
        this.openHandles -= 1
      },
    }
  }

  #lent(bytes: Uint8Array): Lease {
    const lease = this.buffers.lease(bytes.byteLength)
    lease.bytes.set(bytes)
    return lease
  }

  async *#read(blob: FakeBlob, range: ByteRange, { signal }: AbortOptions): AsyncGenerator<Lease> {
    const { chunkBytes = 65_536, content = patternBytes } = blob
    const failAt = range.start + (blob.failAfterBytes ?? Number.POSITIVE_INFINITY)
    const stallAt = range.start + (blob.stallAfterBytes ?? Number.POSITIVE_INFINITY)
    let isDone = false
    try {
      for (let at = range.start; at < range.end; ) {
        signal?.throwIfAborted()
        if (at >= failAt) throw new SourcesFailedError()
        if (at >= stallAt) await untilAborted(signal)
        const end = Math.min(at + chunkBytes, range.end, failAt, stallAt > at ? stallAt : Number.POSITIVE_INFINITY)
        this.producedBytes += end - at
        yield this.#lent(content(at, end))
        at = end
        // As a disk or a socket would, this lets other work run between two chunks.
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
      isDone = true
    } finally {
      if (!isDone && signal?.aborted === true) this.abortedReads += 1
    }
  }
}

async function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return await new Promise((_resolve, reject) =>
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true }),
  )
}

/** Manifests, tags and referrers from memory. */
export class FakeDocuments implements DocumentSource {
  readonly manifests = new Map<Digest, ManifestDocument>()
  readonly tags = new Map<string, Digest>()
  readonly referrersBySubject = new Map<Digest, ReferrersDocument>()
  readonly asked: { origin: OriginRef; what: string; authorization: string | undefined }[] = []
  error: Error | undefined

  add(tag: string, document: object, mediaType = 'application/vnd.oci.image.manifest.v1+json'): ManifestDocument {
    const bytes = Buffer.from(JSON.stringify(document))
    const manifest = { digest: digestOf(bytes), mediaType, bytes }
    this.manifests.set(manifest.digest, manifest)
    this.tags.set(tag, manifest.digest)
    return manifest
  }

  async resolveTag(
    origin: OriginRef,
    tag: string,
    options: { authorization?: string | undefined },
  ): Promise<ManifestDescriptor | undefined> {
    this.#note(origin, `tag ${tag}`, options)
    const manifest = this.manifests.get(this.tags.get(tag) ?? ('' as Digest))
    return manifest && { digest: manifest.digest, mediaType: manifest.mediaType, sizeBytes: manifest.bytes.byteLength }
  }

  async manifest(
    origins: readonly OriginRef[],
    digest: Digest,
    options: { authorization?: string | undefined },
  ): Promise<ManifestDocument | undefined> {
    this.#note(origins[0], `manifest ${digest}`, options)
    return this.manifests.get(digest)
  }

  async tagsList(
    origin: OriginRef,
    query: TagsQuery,
    options: { authorization?: string | undefined },
  ): Promise<TagsPage | undefined> {
    this.#note(origin, 'tags', options)
    const after = [...this.tags.keys()].toSorted().filter((tag) => query.last === undefined || tag > query.last)
    const tags = after.slice(0, query.n)
    return this.tags.size === 0 ? undefined : { tags, hasMore: tags.length < after.length }
  }

  async referrers(
    origin: OriginRef,
    digest: Digest,
    options: { authorization?: string | undefined },
  ): Promise<ReferrersDocument | undefined> {
    this.#note(origin, `referrers ${digest}`, options)
    return this.referrersBySubject.get(digest)
  }

  #note(origin: OriginRef | undefined, what: string, { authorization }: { authorization?: string | undefined }): void {
    if (origin !== undefined) this.asked.push({ origin, what, authorization })
    if (this.error !== undefined) throw this.error
  }
}

/** A history that is filled by hand. */
export class FakeHistory implements DigestHistory {
  readonly places = new Map<Digest, SeenOrigin[]>()

  note(digest: Digest, ...origins: SeenOrigin[]): void {
    this.places.set(digest, origins)
  }

  originsOf(digest: Digest): readonly SeenOrigin[] {
    return this.places.get(digest) ?? []
  }
}

/** A gate that gives one answer to everybody. */
export class FakeGate implements AccessGate {
  outcome: AccessOutcome = { outcome: 'allowed' }
  readonly checks: { origin: OriginRef; subject: AccessSubject; authorization: string | undefined }[] = []

  async check(origin: OriginRef, subject: AccessSubject, authorization: string | undefined): Promise<AccessOutcome> {
    this.checks.push({ origin, subject, authorization })
    return this.outcome
  }
}

/** The registry the test mirror serves when nothing is said. */
export const DEFAULT_NAMESPACE = 'registry.test'

export interface TestMirror extends AsyncDisposable {
  readonly server: MirrorServer
  readonly port: number
  readonly url: string
  readonly blobs: FakeBlobSource
  readonly documents: FakeDocuments
  readonly history: FakeHistory
  readonly gate: FakeGate
  readonly metrics: Metrics
}

/** A mirror on loopback over fakes. */
export async function startTestMirror(init: Partial<MirrorServerInit> = {}): Promise<TestMirror> {
  const fakes = {
    blobs: new FakeBlobSource(),
    documents: new FakeDocuments(),
    history: new FakeHistory(),
    gate: new FakeGate(),
  }
  const metrics = new Metrics()
  const server = new MirrorServer(
    {
      listeners: [{ host: '127.0.0.1', port: 0 }],
      allows: namespaceAllowList([DEFAULT_NAMESPACE, 'docker.io', 'other.test:5000']),
      defaultNamespace: DEFAULT_NAMESPACE,
      drainMs: 100,
      ...init,
    },
    { ...fakes, metrics, clock: systemClock, logger: silentLogger() },
  )
  await server.start()
  const port = server.addresses()[0]?.port ?? 0
  const stop = async (): Promise<void> => await server.stop()
  return { server, port, url: `http://127.0.0.1:${port}`, ...fakes, metrics, [Symbol.asyncDispose]: stop }
}
