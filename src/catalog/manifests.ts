import { type AbortOptions, type Digest, isAbort, type OriginRef, ShoalError } from '../core/index.ts'
import { type Descriptor, type Manifest, MediaType, parseManifest, sniffMediaType } from '../oci/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { SingleFlight } from '../util/index.ts'
import { askAgents, askTrackers } from './ask-peers.ts'
import { type Belongings, keyOf } from './belongings.ts'
import type { CallerOptions, CatalogStore, DocumentPeers, ManifestDocument, OriginDocuments } from './ports.ts'

/** Where a manifest was asked for, and with whose rights. */
export interface AskedManifest {
  readonly origins: readonly OriginRef[]
  readonly authorization: string | undefined
}

export interface ManifestsComponents {
  readonly store: Pick<CatalogStore, 'getDocument' | 'putDocument'>
  readonly belongings: Belongings
  readonly origin: Pick<OriginDocuments, 'getManifest'>
  readonly peers: DocumentPeers | undefined
  /** Told of the layers of each manifest that is handed out, and with which rights it was asked for. */
  readonly onLayers?: ((layers: readonly Descriptor[], asked: AskedManifest) => void) | undefined
  readonly logger: Logger
}

/**
 * Manifests and indexes from wherever they are, checked against their digest. What one names is remembered as belonging to its
 * repository.
 */
export class Manifests {
  readonly #components: ManifestsComponents
  readonly #flights = new SingleFlight<ManifestDocument | undefined>()

  constructor(components: ManifestsComponents) {
    this.#components = components
  }

  /** The manifest or index `digest`; `undefined` when nobody who may be asked has it. */
  async get(
    origins: readonly OriginRef[],
    digest: Digest,
    options: CallerOptions,
  ): Promise<ManifestDocument | undefined> {
    const stored = await this.#components.store.getDocument(digest)
    // What was stored for one repository is not to be had by naming another, which perhaps everybody may read.
    if (stored !== undefined && this.#components.belongings.belongs(digest, origins)) {
      this.#tellLayers(stored, origins, options)
      return stored
    }
    const key = `${digest} ${origins.map(keyOf).join()} ${options.authorization ?? ''}`
    return await this.#flights.run(key, options, async (signal) => {
      const caller = { authorization: options.authorization, signal }
      const found = await this.#fetch(origins, digest, caller)
      if (found !== undefined) {
        this.#tellLayers(found.document, origins, options)
        await this.#keep(found.document, found.origin)
      }
      return found?.document
    })
  }

  async stop(reason: Error): Promise<void> {
    await this.#flights.stop(reason)
  }

  async #fetch(
    origins: readonly OriginRef[],
    digest: Digest,
    options: CallerOptions,
  ): Promise<{ document: ManifestDocument; origin: OriginRef } | undefined> {
    let failure: Error | undefined
    for (const origin of origins) {
      const ofTracker = await this.#ofTracker(origin, digest, options)
      if (ofTracker !== undefined) return { document: ofTracker, origin }
      try {
        const document = await this.#components.origin.getManifest(origin, digest, options)
        if (document !== undefined) return { document, origin }
      } catch (error) {
        if (isAbort(error) || !(error instanceof Error)) throw error
        failure ??= error
        const ofAgent = await this.#ofAgents(origin, digest, options)
        if (ofAgent !== undefined) return { document: ofAgent, origin }
      }
    }
    if (failure !== undefined) throw failure
    return undefined
  }

  async #ofTracker(origin: OriginRef, digest: Digest, options: CallerOptions): Promise<ManifestDocument | undefined> {
    const { peers } = this.#components
    if (peers === undefined || options.authorization !== undefined) return undefined
    return (await askTrackers(peers, { kind: 'manifest', origin, digest }, options, this.#components.logger))?.document
  }

  /** Only for a digest known to belong to the repository: an agent's word would not do to say so, nor of what type it is. */
  async #ofAgents(origin: OriginRef, digest: Digest, options: AbortOptions): Promise<ManifestDocument | undefined> {
    const { peers } = this.#components
    if (peers === undefined || !this.#components.belongings.belongs(digest, [origin])) return undefined
    for await (const reply of askAgents(peers, { kind: 'manifest', origin, digest }, options, this.#components.logger))
      return { ...reply.document, mediaType: sniffMediaType(reply.document.bytes) ?? MediaType.octetStream }
    return undefined
  }

  async #keep(document: ManifestDocument, origin: OriginRef): Promise<void> {
    const { store, belongings, logger } = this.#components
    const { digest, mediaType, bytes } = document
    belongings.note(digest, { ...origin, sizeBytes: bytes.byteLength, mediaType })
    for (const descriptor of describedBy(document)) belongings.note(descriptor.digest, { ...origin, ...descriptor })
    try {
      await store.putDocument(document)
    } catch (error) {
      logger.warn({ err: error, digest }, 'manifest not stored')
    }
  }

  #tellLayers(document: ManifestDocument, origins: readonly OriginRef[], { authorization }: CallerOptions): void {
    this.#components.onLayers?.(parsed(document)?.layers ?? [], { origins, authorization })
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
