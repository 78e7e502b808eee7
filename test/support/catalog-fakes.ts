import {
  Catalog,
  type CatalogInit,
  type CatalogStore,
  type DocumentPeers,
  type DocumentReply,
  type DocumentRequest,
} from '../../src/catalog/index.ts'
import type {
  ManifestDescriptor,
  ManifestDocument,
  OriginDocuments,
  SeenOrigin,
  StoredTag,
} from '../../src/catalog/index.ts'
import { type Digest, digestOf, type OriginRef, type PeerRef, ShoalError } from '../../src/core/index.ts'
import { MediaType } from '../../src/oci/index.ts'
import { silentLogger } from '../../src/telemetry/index.ts'
import { VirtualClock } from './virtual-clock.ts'

export const REPOSITORY: OriginRef = { namespace: 'registry.test', repository: 'team/app' }

/** An image manifest with one layer; another `name` makes another manifest. */
export function manifestOf(name: string): ManifestDocument & { readonly layer: Digest } {
  const layer = digestOf(Buffer.from(`layer of ${name}`))
  const descriptor = (digest: Digest, mediaType: string) => ({ mediaType, digest, size: 7 })
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: descriptor(digestOf(Buffer.from(`config of ${name}`)), 'application/vnd.oci.image.config.v1+json'),
      layers: [descriptor(layer, 'application/vnd.oci.image.layer.v1.tar+gzip')],
    }),
  )
  return { digest: digestOf(bytes), mediaType: MediaType.ociManifest, bytes, layer }
}

export function descriptorOf({ digest, mediaType, bytes }: ManifestDocument): ManifestDescriptor {
  return { digest, mediaType, sizeBytes: bytes.byteLength }
}

export class OriginUnreachableError extends ShoalError {
  constructor() {
    super('the origin does not answer', { code: 'UNREACHABLE', blame: 'origin', retryable: true })
  }
}

/** A registry in memory that counts what it is asked. */
export class FakeOrigin implements OriginDocuments {
  readonly tags = new Map<string, ManifestDocument>()
  readonly asked: string[] = []
  isDown = false
  /** Answers wait for this. */
  gate: Promise<void> | undefined

  async headManifest(_origin: OriginRef, reference: string): Promise<ManifestDescriptor | undefined> {
    await this.#answer(`HEAD ${reference}`)
    const found = this.tags.get(reference)
    return found === undefined ? undefined : descriptorOf(found)
  }

  async getManifest(_origin: OriginRef, reference: string): Promise<ManifestDocument | undefined> {
    await this.#answer(`GET ${reference}`)
    return [...this.tags.values()].find(({ digest }) => digest === reference)
  }

  async headBlob(): Promise<{ readonly sizeBytes: number } | undefined> {
    await this.#answer('HEAD blob')
    return { sizeBytes: 7 }
  }

  async #answer(request: string): Promise<void> {
    this.asked.push(request)
    await this.gate
    if (this.isDown) throw new OriginUnreachableError()
  }
}

/** What the catalog keeps, in memory. */
export class MemoryCatalogStore implements CatalogStore {
  readonly documents = new Map<Digest, ManifestDocument>()
  readonly tags = new Map<string, StoredTag>()
  readonly history = new Map<Digest, SeenOrigin[]>()

  async putDocument(document: ManifestDocument): Promise<void> {
    this.documents.set(document.digest, document)
  }

  async getDocument(digest: Digest): Promise<ManifestDocument | undefined> {
    return this.documents.get(digest)
  }

  putTag({ namespace, repository }: OriginRef, tag: string, descriptor: StoredTag): void {
    this.tags.set(`${namespace}/${repository}:${tag}`, descriptor)
  }

  getTag({ namespace, repository }: OriginRef, tag: string): StoredTag | undefined {
    return this.tags.get(`${namespace}/${repository}:${tag}`)
  }

  noteHistory(digest: Digest, seen: SeenOrigin): void {
    this.history.set(digest, [seen, ...(this.history.get(digest) ?? [])])
  }

  historyOf(digest: Digest): readonly SeenOrigin[] {
    return this.history.get(digest) ?? []
  }
}

/** Peers whose answers the test sets; those without one cannot be asked. */
export class FakeDocumentPeers implements DocumentPeers {
  readonly replies = new Map<string, DocumentReply>()
  readonly asked: { readonly id: string; readonly request: DocumentRequest }[] = []
  readonly #trackers: readonly string[]
  readonly #agents: readonly string[]

  constructor(trackers: readonly string[], agents: readonly string[]) {
    this.#trackers = trackers
    this.#agents = agents
  }

  trackers(): readonly PeerRef[] {
    return this.#trackers.map((id) => ({ id, addresses: [] }))
  }

  agents(): readonly PeerRef[] {
    return this.#agents.map((id) => ({ id, addresses: [] }))
  }

  async ask(peer: PeerRef, request: DocumentRequest): Promise<DocumentReply> {
    this.asked.push({ id: peer.id, request })
    const reply = this.replies.get(peer.id)
    if (reply === undefined) throw new Error(`${peer.id} is not there`)
    return reply
  }
}

/** A catalog over fakes: tags are good for a minute, and for an hour when the origin is down. */
export function catalogLab(peers?: FakeDocumentPeers, init: Partial<CatalogInit> = {}) {
  const [clock, store, origin] = [new VirtualClock(), new MemoryCatalogStore(), new FakeOrigin()]
  const publicRepositories = new Set<string>()
  const confirmed: string[] = []
  const catalog = new Catalog(
    { tagTtlMs: 60_000, tagStaleLimitMs: 3_600_000, agreement: 2, ...init },
    {
      store,
      origin,
      ...(peers === undefined ? {} : { peers }),
      publicRepositories: {
        isPublic: ({ repository }) => publicRepositories.has(repository),
        confirm: ({ repository }) => void confirmed.push(repository),
      },
      clock,
      logger: silentLogger(),
    },
  )
  return { catalog, clock, store, origin, publicRepositories, confirmed }
}
