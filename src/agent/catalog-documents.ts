import type { Catalog } from '../catalog/index.ts'
import type { AbortOptions, Digest, OriginRef } from '../core/index.ts'
import type {
  CallerOptions,
  DocumentSource,
  ManifestDescriptor,
  ManifestDocument,
  ReferrersDocument,
  ReferrersOptions,
  TagsPage,
  TagsQuery,
  TrackerConfirmation,
} from '../mirror/index.ts'
import { MediaType } from '../oci/index.ts'
import type { OriginClient } from '../origin/index.ts'

/** Pages of referrers joined into one answer; more than this many is a registry that never ends. */
const MAX_REFERRER_MANIFESTS = 1_000

export interface CatalogDocumentsComponents {
  readonly catalog: Catalog
  readonly origin: OriginClient
}

/** The mirror's documents: manifests and tags from the catalog, lists from the origin as they are. */
export class CatalogDocuments implements DocumentSource, TrackerConfirmation {
  readonly #components: CatalogDocumentsComponents

  constructor(components: CatalogDocumentsComponents) {
    this.#components = components
  }

  async resolveTag(origin: OriginRef, tag: string, options: CallerOptions): Promise<ManifestDescriptor | undefined> {
    return await this.#components.catalog.resolveTag(origin, tag, options)
  }

  async manifest(
    origins: readonly OriginRef[],
    digest: Digest,
    options: CallerOptions,
  ): Promise<ManifestDocument | undefined> {
    return await this.#components.catalog.manifest(origins, digest, options)
  }

  async confirmedByTracker(origin: OriginRef, options: AbortOptions): Promise<boolean> {
    return await this.#components.catalog.confirmedByTracker(origin, options)
  }

  async tagsList(origin: OriginRef, query: TagsQuery, options: CallerOptions): Promise<TagsPage | undefined> {
    const listing = await this.#components.origin.listTags(origin, { ...options, ...query })
    if (listing === undefined) return undefined
    const { tags } = parseJsonObject(listing.body)
    const names = Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : []
    return { tags: names, hasMore: listing.link !== undefined }
  }

  async referrers(
    origin: OriginRef,
    digest: Digest,
    options: ReferrersOptions,
  ): Promise<ReferrersDocument | undefined> {
    const listing = await this.#components.origin.referrers(origin, digest, options)
    if (listing === undefined) return undefined
    const { manifests } = parseJsonObject(listing.body)
    const listed = Array.isArray(manifests) ? manifests.slice(0, MAX_REFERRER_MANIFESTS) : []
    const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: listed }
    const bytes = Buffer.from(JSON.stringify(index))
    return { bytes, ...(listing.filtersApplied === undefined ? {} : { filtersApplied: listing.filtersApplied }) }
  }
}

/** An origin that sends something else than an object has said nothing. */
function parseJsonObject(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
