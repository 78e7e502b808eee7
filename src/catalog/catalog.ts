import {
  type AbortOptions,
  type BlobRef,
  type Clock,
  type Digest,
  isAbort,
  type OriginRef,
  ShoalError,
} from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { askTrackers } from './ask-peers.ts'
import { Belongings, canonical } from './belongings.ts'
import { Manifests, type ManifestsComponents } from './manifests.ts'
import type {
  CallerOptions,
  CatalogRequest,
  CatalogStore,
  DocumentPeers,
  DocumentReply,
  ManifestDescriptor,
  ManifestDocument,
  OriginDocuments,
  PublicRepositoryNotes,
  SeenOrigin,
} from './ports.ts'
import { Tags, type TagsInit } from './tags.ts'

export type CatalogInit = TagsInit

export interface CatalogComponents {
  readonly store: CatalogStore
  readonly origin: OriginDocuments
  /** Absent in a tracker, which asks only the origin. */
  readonly peers?: DocumentPeers
  /** Only in a tracker: what it can say of repositories that anybody may read. */
  readonly publicRepositories?: PublicRepositoryNotes
  readonly onLayers?: ManifestsComponents['onLayers']
  readonly clock: Clock
  readonly logger: Logger
}

/** Manifests, tags, and where each digest belongs, for our own clients and for peers who ask. */
export class Catalog {
  readonly #components: CatalogComponents
  readonly #logger: Logger
  readonly #belongings: Belongings
  readonly #tags: Tags
  readonly #manifests: Manifests

  constructor(init: CatalogInit, components: CatalogComponents) {
    const logger = components.logger.child({ module: 'catalog' })
    const { store, peers } = components
    const belongings = new Belongings(store)
    this.#components = components
    this.#logger = logger
    this.#belongings = belongings
    this.#tags = new Tags(init, { ...components, peers, belongings, logger })
    this.#manifests = new Manifests({ ...components, peers, belongings, logger })
  }

  async stop(): Promise<void> {
    const reason = new ShoalError('the catalog is stopping', { code: 'STOPPING', blame: 'local', retryable: true })
    await Promise.all([this.#tags.stop(reason), this.#manifests.stop(reason)])
  }

  /** Where `digest` was seen, latest first. */
  originsOf(digest: Digest): readonly SeenOrigin[] {
    return this.#belongings.originsOf(digest)
  }

  /** The blob with its size, from what is remembered or from one of `origins`; `undefined` when they do not have it. */
  async blobRef(digest: Digest, origins: readonly OriginRef[], options: CallerOptions): Promise<BlobRef | undefined> {
    const known = this.originsOf(digest).find((seen) => seen.sizeBytes !== undefined)?.sizeBytes
    if (known !== undefined) return { digest, sizeBytes: known }
    let failure: Error | undefined
    for (const origin of origins) {
      try {
        const found = await this.#components.origin.headBlob(origin, digest, options)
        if (found === undefined) continue
        this.#belongings.note(digest, { ...origin, sizeBytes: found.sizeBytes })
        return { digest, sizeBytes: found.sizeBytes }
      } catch (error) {
        if (isAbort(error) || !(error instanceof Error)) throw error
        failure ??= error
      }
    }
    if (failure !== undefined) throw failure
    return undefined
  }

  /** What `tag` stands for; `undefined` when the origin says there is none. */
  async resolveTag(origin: OriginRef, tag: string, options: CallerOptions): Promise<ManifestDescriptor | undefined> {
    return await this.#tags.resolve(origin, tag, options)
  }

  /** The manifest or index `digest`; `undefined` when nobody who may be asked has it. */
  async manifest(
    origins: readonly OriginRef[],
    digest: Digest,
    options: CallerOptions,
  ): Promise<ManifestDocument | undefined> {
    return await this.#manifests.get(origins, digest, options)
  }

  /** Whether a tracker says that anybody may read the repository and that `digest`, when one is named, belongs to it. */
  async confirmedByTracker(origin: OriginRef, digest: Digest | undefined, options: AbortOptions): Promise<boolean> {
    const { peers } = this.#components
    if (peers === undefined) return false
    const reply = await askTrackers(peers, { kind: 'public', origin, digest }, options, this.#logger)
    if (reply?.isPublic !== true) return false
    if (digest !== undefined) this.#belongings.note(digest, origin)
    return true
  }

  /** Answers a peer: from what is here, and, where `mayAskOrigin` (a tracker), from the origin. */
  async answer(request: CatalogRequest, mayAskOrigin: boolean, options: AbortOptions): Promise<DocumentReply> {
    if (request.kind === 'public') return { kind: 'public', isPublic: this.#isPublic(request.origin, request.digest) }
    const reference = request.kind === 'tag' ? request.tag : request.digest
    this.#components.publicRepositories?.confirm(canonical(request.origin), reference)
    if (request.kind === 'tag') return await this.#answerTag(request.origin, request.tag, mayAskOrigin, options)
    if (!this.#belongings.belongs(request.digest, [request.origin]) && !mayAskOrigin) return { kind: 'none' }
    const document = mayAskOrigin
      ? await this.manifest([request.origin], request.digest, options)
      : await this.#components.store.getDocument(request.digest)
    return document === undefined ? { kind: 'none' } : { kind: 'manifest', document }
  }

  #isPublic(origin: OriginRef, digest: Digest | undefined): boolean {
    const isPublic = this.#components.publicRepositories?.isPublic(canonical(origin)) ?? false
    return isPublic && (digest === undefined || this.#belongings.belongs(digest, [origin]))
  }

  async #answerTag(
    origin: OriginRef,
    tag: string,
    mayAskOrigin: boolean,
    options: AbortOptions,
  ): Promise<DocumentReply> {
    if (mayAskOrigin) await this.resolveTag(origin, tag, options)
    const stored = this.#tags.stored(origin, tag)
    return stored === undefined ? { kind: 'none' } : { kind: 'tag', ...stored }
  }
}
