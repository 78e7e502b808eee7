import {
  type AbortOptions,
  type BlobRef,
  type Clock,
  type Digest,
  isAbort,
  type OriginRef,
  ShoalError,
} from '../core/index.ts'
import {
  type Descriptor,
  type Manifest,
  MediaType,
  normalizeNamespace,
  parseManifest,
  sniffMediaType,
} from '../oci/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { SingleFlight } from '../util/index.ts'
import { askAgents, askTrackers } from './ask-peers.ts'
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
  StoredTag,
} from './ports.ts'

export interface CatalogInit {
  /** How long a resolved tag is not asked for again, milliseconds. */
  readonly tagTtlMs: number
  /** How old a resolved tag may be when the origin is down, milliseconds. */
  readonly tagStaleLimitMs: number
  /** Distinct agents that must name the same digest for a tag when neither origin nor tracker answers. */
  readonly agreement: number
}

/** Where a manifest was asked for, and with whose rights. */
export interface AskedManifest {
  readonly origins: readonly OriginRef[]
  readonly authorization: string | undefined
}

export interface CatalogComponents {
  readonly store: CatalogStore
  readonly origin: OriginDocuments
  /** Absent in a tracker, which asks only the origin. */
  readonly peers?: DocumentPeers
  /** Only in a tracker: what it can say of repositories that anybody may read. */
  readonly publicRepositories?: PublicRepositoryNotes
  /** Told of the layers of each manifest that is handed out, and with which rights it was asked for. */
  readonly onLayers?: (layers: readonly Descriptor[], asked: AskedManifest) => void
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Manifests, tags, and where each digest belongs. Tags are settled at the origin (through the tracker, so that a wave of
 * agents is one request there), and served stale within a limit when it is down; manifests come from wherever they are,
 * checked against their digest. What a manifest names is remembered as belonging to its repository.
 */
export class Catalog {
  readonly #init: CatalogInit
  readonly #components: CatalogComponents
  readonly #logger: Logger
  readonly #tags = new SingleFlight<ManifestDescriptor | undefined>()
  readonly #manifests = new SingleFlight<ManifestDocument | undefined>()

  constructor(init: CatalogInit, components: CatalogComponents) {
    this.#init = init
    this.#components = components
    this.#logger = components.logger.child({ module: 'catalog' })
  }

  async stop(): Promise<void> {
    const reason = new ShoalError('the catalog is stopping', { code: 'STOPPING', blame: 'local', retryable: true })
    await Promise.all([this.#tags.stop(reason), this.#manifests.stop(reason)])
  }

  /** Where `digest` was seen, latest first. */
  originsOf(digest: Digest): readonly SeenOrigin[] {
    return this.#components.store.historyOf(digest)
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
        this.#note(digest, { ...origin, sizeBytes: found.sizeBytes })
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
    const known = this.#components.store.getTag(origin, tag)
    if (known !== undefined && this.#ageMs(known) < this.#init.tagTtlMs) return known
    const key = `${keyOf(origin)}:${tag} ${options.authorization ?? ''}`
    return await this.#tags.run(key, options, async (signal) => {
      const caller = { authorization: options.authorization, signal }
      const found =
        (await this.#tagOfTracker(origin, tag, caller)) ?? (await this.#tagOfOrigin(origin, tag, caller, known))
      if (found !== undefined)
        this.#note(found.digest, { ...origin, sizeBytes: found.sizeBytes, mediaType: found.mediaType })
      return found
    })
  }

  /** The manifest or index `digest`; `undefined` when nobody who may be asked has it. */
  async manifest(
    origins: readonly OriginRef[],
    digest: Digest,
    options: CallerOptions,
  ): Promise<ManifestDocument | undefined> {
    const stored = await this.#components.store.getDocument(digest)
    // What was stored for one repository is not to be had by naming another, which perhaps everybody may read.
    if (stored !== undefined && this.#belongs(digest, origins)) {
      this.#tellLayers(stored, origins, options)
      return stored
    }
    const key = `${digest} ${origins.map(keyOf).join()} ${options.authorization ?? ''}`
    return await this.#manifests.run(key, options, async (signal) => {
      const caller = { authorization: options.authorization, signal }
      const found = await this.#fetchManifest(origins, digest, caller)
      if (found !== undefined) {
        this.#tellLayers(found.document, origins, options)
        await this.#keep(found.document, found.origin)
      }
      return found?.document
    })
  }

  /** Whether a tracker says that anybody may read the repository and that `digest`, when one is named, belongs to it. */
  async confirmedByTracker(origin: OriginRef, digest: Digest | undefined, options: AbortOptions): Promise<boolean> {
    const { peers } = this.#components
    if (peers === undefined) return false
    const reply = await askTrackers(peers, { kind: 'public', origin, digest }, options, this.#logger)
    if (reply?.isPublic !== true) return false
    if (digest !== undefined) this.#note(digest, origin)
    return true
  }

  /** Answers a peer: from what is here, and, where `mayAskOrigin` (a tracker), from the origin. */
  async answer(request: CatalogRequest, mayAskOrigin: boolean, options: AbortOptions): Promise<DocumentReply> {
    if (request.kind === 'public') return { kind: 'public', isPublic: this.#isPublic(request.origin, request.digest) }
    const reference = request.kind === 'tag' ? request.tag : request.digest
    this.#components.publicRepositories?.confirm(canonical(request.origin), reference)
    if (request.kind === 'tag') return await this.#answerTag(request.origin, request.tag, mayAskOrigin, options)
    if (!this.#belongs(request.digest, [request.origin]) && !mayAskOrigin) return { kind: 'none' }
    const document = mayAskOrigin
      ? await this.manifest([request.origin], request.digest, options)
      : await this.#components.store.getDocument(request.digest)
    return document === undefined ? { kind: 'none' } : { kind: 'manifest', document }
  }

  #isPublic(origin: OriginRef, digest: Digest | undefined): boolean {
    const isPublic = this.#components.publicRepositories?.isPublic(canonical(origin)) ?? false
    return isPublic && (digest === undefined || this.#belongs(digest, [origin]))
  }

  async #answerTag(
    origin: OriginRef,
    tag: string,
    mayAskOrigin: boolean,
    options: AbortOptions,
  ): Promise<DocumentReply> {
    if (mayAskOrigin) await this.resolveTag(origin, tag, options)
    const stored = this.#components.store.getTag(origin, tag)
    if (stored === undefined) return { kind: 'none' }
    const { digest, mediaType, sizeBytes } = stored
    return { kind: 'tag', descriptor: { digest, mediaType, sizeBytes }, ageMs: this.#ageMs(stored) }
  }

  /** A tracker's answer that is fresh; it asks the origin in its own name, so a caller with credentials is not sent there. */
  async #tagOfTracker(origin: OriginRef, tag: string, options: CallerOptions): Promise<ManifestDescriptor | undefined> {
    const { peers } = this.#components
    if (peers === undefined || options.authorization !== undefined) return undefined
    const reply = await askTrackers(peers, { kind: 'tag', origin, tag }, options, this.#logger)
    if (reply === undefined || reply.ageMs > this.#init.tagTtlMs) return undefined
    return this.#learn(origin, tag, reply.descriptor, reply.ageMs)
  }

  async #tagOfOrigin(
    origin: OriginRef,
    tag: string,
    options: CallerOptions,
    known: StoredTag | undefined,
  ): Promise<ManifestDescriptor | undefined> {
    try {
      const found = await this.#components.origin.headManifest(origin, tag, options)
      return found === undefined ? undefined : this.#learn(origin, tag, found, 0)
    } catch (error) {
      if (isAbort(error)) throw error
      const stale = this.#staleTag(known) ?? (await this.#tagOfSwarm(origin, tag, options))
      if (stale === undefined) throw error
      this.#logger.warn({ namespace: origin.namespace, err: error }, 'origin does not answer, tag served as last seen')
      return stale
    }
  }

  #staleTag(known: StoredTag | undefined): ManifestDescriptor | undefined {
    return known !== undefined && this.#ageMs(known) < this.#init.tagStaleLimitMs ? known : undefined
  }

  /** With the origin down: what a tracker last saw, else what enough agents agree on. */
  async #tagOfSwarm(origin: OriginRef, tag: string, options: AbortOptions): Promise<ManifestDescriptor | undefined> {
    const { peers } = this.#components
    if (peers === undefined) return undefined
    const request = { kind: 'tag', origin, tag } as const
    const ofTracker = await askTrackers(peers, request, options, this.#logger)
    if (ofTracker !== undefined && ofTracker.ageMs < this.#init.tagStaleLimitMs) return ofTracker.descriptor
    const votes = new Map<string, number>()
    for await (const { descriptor, ageMs } of askAgents(peers, request, options, this.#logger)) {
      if (ageMs >= this.#init.tagStaleLimitMs) continue
      const { digest, mediaType, sizeBytes } = descriptor
      // All of it goes to the client, so all of it is voted on.
      const vote = `${digest} ${sizeBytes} ${mediaType}`
      const count = (votes.get(vote) ?? 0) + 1
      votes.set(vote, count)
      if (count >= this.#init.agreement) return descriptor
    }
    return undefined
  }

  async #fetchManifest(
    origins: readonly OriginRef[],
    digest: Digest,
    options: CallerOptions,
  ): Promise<{ document: ManifestDocument; origin: OriginRef } | undefined> {
    let failure: Error | undefined
    for (const origin of origins) {
      const ofTracker = await this.#manifestOfTracker(origin, digest, options)
      if (ofTracker !== undefined) return { document: ofTracker, origin }
      try {
        const document = await this.#components.origin.getManifest(origin, digest, options)
        if (document !== undefined) return { document, origin }
      } catch (error) {
        if (isAbort(error) || !(error instanceof Error)) throw error
        failure ??= error
        const ofAgent = await this.#manifestOfAgents(origin, digest, options)
        if (ofAgent !== undefined) return { document: ofAgent, origin }
      }
    }
    if (failure !== undefined) throw failure
    return undefined
  }

  async #manifestOfTracker(
    origin: OriginRef,
    digest: Digest,
    options: CallerOptions,
  ): Promise<ManifestDocument | undefined> {
    const { peers } = this.#components
    if (peers === undefined || options.authorization !== undefined) return undefined
    return (await askTrackers(peers, { kind: 'manifest', origin, digest }, options, this.#logger))?.document
  }

  /** Only for a digest known to belong to the repository: an agent's word would not do to say so, nor of what type it is. */
  async #manifestOfAgents(
    origin: OriginRef,
    digest: Digest,
    options: AbortOptions,
  ): Promise<ManifestDocument | undefined> {
    const { peers } = this.#components
    if (peers === undefined || !this.#belongs(digest, [origin])) return undefined
    for await (const reply of askAgents(peers, { kind: 'manifest', origin, digest }, options, this.#logger))
      return { ...reply.document, mediaType: sniffMediaType(reply.document.bytes) ?? MediaType.octetStream }
    return undefined
  }

  #learn(origin: OriginRef, tag: string, descriptor: ManifestDescriptor, ageMs: number): ManifestDescriptor {
    const checkedAtMs = this.#components.clock.wallTime() - ageMs
    const { digest, mediaType, sizeBytes } = descriptor
    this.#components.store.putTag(canonical(origin), tag, { digest, mediaType, sizeBytes, checkedAtMs })
    return descriptor
  }

  async #keep(document: ManifestDocument, origin: OriginRef): Promise<void> {
    const { digest, mediaType, bytes } = document
    this.#note(digest, { ...origin, sizeBytes: bytes.byteLength, mediaType })
    for (const descriptor of describedBy(document)) this.#note(descriptor.digest, { ...origin, ...descriptor })
    try {
      await this.#components.store.putDocument(document)
    } catch (error) {
      this.#logger.warn({ err: error, digest }, 'manifest not stored')
    }
  }

  #tellLayers(document: ManifestDocument, origins: readonly OriginRef[], { authorization }: CallerOptions): void {
    this.#components.onLayers?.(parsed(document)?.layers ?? [], { origins, authorization })
  }

  #belongs(digest: Digest, origins: readonly OriginRef[]): boolean {
    const keys = new Set(origins.map(keyOf))
    return this.originsOf(digest).some((seen) => keys.has(keyOf(seen)))
  }

  #note(digest: Digest, seen: SeenOrigin): void {
    this.#components.store.noteHistory(digest, { ...seen, ...canonical(seen) })
  }

  #ageMs(tag: StoredTag): number {
    return Math.max(0, this.#components.clock.wallTime() - tag.checkedAtMs)
  }
}

/** Layers that are fetched from the URLs beside them: registries do not check that the repository has them. */
const FOREIGN_LAYER = /\.(?:foreign|nondistributable)\./

/** What a manifest or index has in its repository: config, layers, manifests. Nothing when it is of a kind we do not know. */
function describedBy(document: ManifestDocument): { digest: Digest; sizeBytes: number; mediaType: string }[] {
  const { config, layers = [], manifests = [] } = parsed(document) ?? {}
  const all = [...(config === undefined ? [] : [config]), ...layers, ...manifests]
  const owned = all.filter(({ mediaType }) => !FOREIGN_LAYER.test(mediaType))
  return owned.map(({ digest, sizeBytes, mediaType }) => ({ digest, sizeBytes, mediaType }))
}

function parsed({ mediaType, bytes }: ManifestDocument): Manifest | undefined {
  try {
    return parseManifest(mediaType, bytes)
  } catch (error) {
    if (error instanceof ShoalError) return undefined
    throw error
  }
}

function canonical(origin: OriginRef): OriginRef {
  return { namespace: normalizeNamespace(origin.namespace) ?? origin.namespace, repository: origin.repository }
}

function keyOf(origin: OriginRef): string {
  const { namespace, repository } = canonical(origin)
  return `${namespace}/${repository}`
}
