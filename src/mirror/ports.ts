import type { AbortOptions, Digest, OriginRef } from '../core/index.ts'
import type { Lease } from '../util/index.ts'
import type { ByteRange } from './byte-ranges.ts'

/**
 * What the mirror needs of the rest of the agent. The scheduler, the origin client and the store satisfy these by shape;
 * the tests bring their own.
 */

/** Per call: the signal, and the client's own Authorization header when it sent one. */
export interface CallerOptions extends AbortOptions {
  readonly authorization?: string | undefined
}

/** A blob a client asked for and where it may be taken from. */
export interface BlobRequest {
  readonly digest: Digest
  readonly sizeBytes?: number | undefined
  readonly origins: readonly OriginRef[]
  readonly authorization?: string | undefined
}

/**
 * How much beyond the range is worth fetching: `whole`, a plain GET, all of it is wanted; `range`, exactly these bytes;
 * `open`, a range without an end, of which the client may take any beginning and then hang up.
 */
export type BlobDemand = 'whole' | 'range' | 'open'

/** One blob, held open for one request until `close`. */
export interface BlobHandle {
  readonly sizeBytes: number
  /** Bytes of the blob that are at hand and verified so far; says that a slow start is moving. Left out: nothing is known. */
  readonly heldBytes?: number
  /**
   * Verified bytes [start, end) in order, exactly end - start of them, fetched only as they are read (see `BlobDemand`).
   * The reader gives each piece back. Throws when every source has failed.
   */
  lend(range: ByteRange, demand: BlobDemand, options: AbortOptions): AsyncIterable<Lease>
  close(): void
}

/** Blobs by digest, whoever has them. */
export interface BlobSource {
  /** The blob, its size known; `undefined` when nobody has it. Throws a ShoalError when it cannot be said now. */
  open(request: BlobRequest, options: AbortOptions): Promise<BlobHandle | undefined>
}

/** What a tag points to. */
export interface ManifestDescriptor {
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
}

/** A manifest whose bytes were verified against its digest. */
export interface ManifestDocument {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** One page of tags, as asked by a client. */
export interface TagsQuery {
  /** At most this many; the origin decides when left out. Never 0. */
  readonly n?: number
  /** Only tags after this one. */
  readonly last?: string
}

export interface TagsPage {
  readonly tags: readonly string[]
  /** Whether the origin has more tags after these. */
  readonly hasMore: boolean
}

/** The index of the manifests that refer to another, all pages of the origin's answer joined. */
export interface ReferrersDocument {
  readonly bytes: Uint8Array
  /** The origin's OCI-Filters-Applied, when it filtered. */
  readonly filtersApplied?: string
}

export interface ReferrersOptions extends CallerOptions {
  readonly artifactType?: string | undefined
}

/** Manifests, tags and referrers. Each method gives `undefined` when the origin says there is no such thing, and throws when it cannot be said now. */
export interface DocumentSource {
  resolveTag(origin: OriginRef, tag: string, options: CallerOptions): Promise<ManifestDescriptor | undefined>
  manifest(origins: readonly OriginRef[], digest: Digest, options: CallerOptions): Promise<ManifestDocument | undefined>
  tagsList(origin: OriginRef, query: TagsQuery, options: CallerOptions): Promise<TagsPage | undefined>
  referrers(origin: OriginRef, digest: Digest, options: ReferrersOptions): Promise<ReferrersDocument | undefined>
}

/** A place where a digest was seen. */
export interface SeenOrigin extends OriginRef {
  readonly sizeBytes?: number
  readonly mediaType?: string
}

export interface DigestHistory {
  /**
   * Where `digest` was seen, latest first. Only places the origin itself confirmed, or that follow from a manifest it
   * confirmed: the access gate lets a caller who may read a repository have what this says belongs to it.
   */
  originsOf(digest: Digest): readonly SeenOrigin[]
}

/** What a caller wants of a repository: a manifest by tag or digest, a blob by digest, or its list of tags (`reference` is empty). */
export interface AccessSubject {
  readonly reference: string
  readonly kind: 'manifest' | 'blob' | 'tags'
}

/**
 * `challenge`: the origin wants credentials, its WWW-Authenticate values are to be relayed. `denied`: it refused these.
 * `missing`: it says there is no such thing (for this caller). `unconfirmed`: it could not be asked, and nothing else vouches.
 */
export type AccessOutcome =
  | { readonly outcome: 'allowed' }
  | { readonly outcome: 'challenge'; readonly challenges: readonly string[] }
  | { readonly outcome: 'denied' | 'missing' | 'unconfirmed' }

/** Whether a caller may have content of a repository. */
export interface AccessGate {
  check(
    origin: OriginRef,
    subject: AccessSubject,
    authorization: string | undefined,
    options: AbortOptions,
  ): Promise<AccessOutcome>
}

export type ProbeOutcome =
  | { readonly outcome: 'allowed'; readonly anonymous: boolean }
  | { readonly outcome: 'challenge'; readonly challenges: readonly string[] }
  | { readonly outcome: 'denied' | 'missing' }

export interface AccessProbe {
  /**
   * Asks the origin for `subject` with the caller's rights only, never with the agent's own. `anonymous` says that anybody
   * may have it. Throws when the origin cannot be reached or does not say.
   */
  probe(origin: OriginRef, subject: AccessSubject, options: CallerOptions): Promise<ProbeOutcome>
}

/** Keeps across restarts which repositories anybody may read. */
export interface AccessMemory {
  /** Epoch milliseconds of the latest confirmation that anybody may read the repository. */
  anonymousSince(origin: OriginRef): number | undefined
  noteAnonymous(origin: OriginRef): void
  /** The origin has refused the repository to a caller without credentials. */
  forgetAnonymous?(origin: OriginRef): void
}

/** A tracker's word that anybody may read a repository, and that a digest belongs to it; asked only when the origin cannot be reached. */
export interface TrackerConfirmation {
  confirmedByTracker(origin: OriginRef, digest: Digest | undefined, options: AbortOptions): Promise<boolean>
}
