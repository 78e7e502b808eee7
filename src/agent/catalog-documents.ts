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
import type { Listing, OriginClient } from '../origin/index.ts'

/** Most referrers in one answer: signatures and attestations of one manifest are a few dozen. */
const MAX_REFERRER_MANIFESTS = 1_000

/** Pages of referrers joined into one answer; more than this many is a registry that never ends. */
const MAX_REFERRER_PAGES = 10

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

  async confirmedByTracker(origin: OriginRef, digest: Digest | undefined, options: AbortOptions): Promise<boolean> {
    return await this.#components.catalog.confirmedByTracker(origin, digest, options)
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
    const first = await this.#components.origin.referrers(origin, digest, options)
    if (first === undefined) return undefined
    const { filtersApplied } = first
    const listed = manifestsOf(first)
    let after = first.link
    for (let page = 2; page <= MAX_REFERRER_PAGES && after !== undefined; page++) {
      const next = await this.#components.origin.referrers(origin, digest, { ...options, after })
      if (next !== undefined) listed.push(...manifestsOf(next))
      after = listed.length < MAX_REFERRER_MANIFESTS ? next?.link : undefined
    }
    const manifests = listed.slice(0, MAX_REFERRER_MANIFESTS)
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests }))
    return { bytes, ...(filtersApplied === undefined ? {} : { filtersApplied }) }
  }
}

function manifestsOf({ body }: Listing): unknown[] {
  const { manifests } = parseJsonObject(body)
  return Array.isArray(manifests) ? manifests.slice(0, MAX_REFERRER_MANIFESTS) : []
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
