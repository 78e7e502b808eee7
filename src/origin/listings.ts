import type { Clock, Digest } from '../core/index.ts'
import { MAX_MANIFEST_BYTES, MediaType, mediaTypeOf } from '../oci/index.ts'
import type { Registry } from './registry.ts'
import { failureOf } from './reply-failure.ts'
import { identityOf, type OriginCallOptions } from './settings.ts'

/** A page of tags: at most `n` of them, after `last`. */
export interface ListTagsOptions extends OriginCallOptions {
  readonly n?: number | undefined
  readonly last?: string | undefined
}

export interface ReferrersOptions extends OriginCallOptions {
  readonly artifactType?: string | undefined
  /** The Link header of a page, to get the one after it. */
  readonly after?: string | undefined
}

/** A list as the origin sent it, to be passed on: JSON of at most 4 MiB, not looked into. */
export interface Listing {
  readonly status: number
  readonly mediaType: string
  readonly body: Uint8Array
  /** The Link header, which leads to the next page by a path of the origin. */
  readonly link: string | undefined
  /** The OCI-Filters-Applied header. */
  readonly filtersApplied: string | undefined
}

export interface ListingPlace {
  readonly registry: Registry
  readonly repository: string
  readonly clock: Clock
}

/** The tags of a repository; `undefined` when it is unknown. */
export async function listTags(place: ListingPlace, options: ListTagsOptions): Promise<Listing | undefined> {
  const { n, last } = options
  return await readListing(place, `tags/list${queryOf({ n: n?.toString(), last })}`, 'application/json', options)
}

/** A page of the referrers of a manifest; `undefined` when there is none, or the origin does not know the API or the repository. */
export async function listReferrers(
  place: ListingPlace,
  digest: Digest,
  options: ReferrersOptions,
): Promise<Listing | undefined> {
  const { artifactType, after } = options
  const query = after === undefined ? queryOf({ artifactType }) : nextQuery(after)
  if (query === undefined) return undefined
  return await readListing(place, `referrers/${digest}${query}`, MediaType.ociIndex, options)
}

async function readListing(
  place: ListingPlace,
  path: string,
  accept: string,
  options: OriginCallOptions,
): Promise<Listing | undefined> {
  const { registry, repository, clock } = place
  const request = { method: 'GET', repository, path, headers: { accept }, urgency: 'document' } as const
  return await registry.read(request, identityOf(options), options, async (reply) => {
    const { answer } = reply
    if (answer.status === 404) return undefined
    if (answer.status !== 200) throw failureOf(reply, clock)
    return {
      status: answer.status,
      mediaType: mediaTypeOf(answer.header('content-type') ?? accept),
      body: await answer.bytes(MAX_MANIFEST_BYTES),
      link: answer.header('link'),
      filtersApplied: answer.header('oci-filters-applied'),
    }
  })
}

/** The query of the next page. The rest of the link is not looked at, so that it leads nowhere else. */
function nextQuery(link: string): string | undefined {
  const [, target] = /<([^>]*)>\s*;\s*rel="?next\b/i.exec(link) ?? []
  return target === undefined ? undefined : URL.parse(target, 'http://registry')?.search
}

function queryOf(fields: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) query.set(name, value)
  return query.size === 0 ? '' : `?${query.toString()}`
}
