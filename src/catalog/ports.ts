import type { ChunkLayout } from '../chunking/index.ts'
import type { AbortOptions, BlobRef, Digest, OriginGrant, OriginRef, PeerRef, StartTrace } from '../core/index.ts'
import type { TocAnchor } from '../oci/index.ts'

/** What a tag or digest stands for. */
export interface ManifestDescriptor {
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
}

/** A manifest or index whose bytes were checked against its digest. */
export interface ManifestDocument {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** A place where a digest was seen, and what it was. */
export interface SeenOrigin extends OriginRef {
  readonly sizeBytes?: number
  readonly mediaType?: string
}

/** A tag as it was last resolved; `checkedAtMs` is wall time. */
export interface StoredTag extends ManifestDescriptor {
  readonly checkedAtMs: number
}

/** What the catalog keeps over restarts. All of it may be lost at any time. */
export interface CatalogStore {
  putDocument(document: ManifestDocument): Promise<void>
  getDocument(digest: Digest): Promise<ManifestDocument | undefined>
  putTag(origin: OriginRef, tag: string, descriptor: StoredTag): void
  getTag(origin: OriginRef, tag: string): StoredTag | undefined
  noteHistory(digest: Digest, seen: SeenOrigin): void
  /** Latest first. */
  historyOf(digest: Digest): readonly SeenOrigin[]
}

export interface CallerOptions extends AbortOptions {
  /** The client's own Authorization header, when it sent one. */
  readonly authorization?: string | undefined
}

/** Manifests and tags at the origin. `undefined`: it says there is no such thing. Throws with blame `origin` when it cannot say. */
export interface OriginDocuments {
  headManifest(origin: OriginRef, reference: string, options: CallerOptions): Promise<ManifestDescriptor | undefined>
  getManifest(origin: OriginRef, reference: string, options: CallerOptions): Promise<ManifestDocument | undefined>
  headBlob(
    origin: OriginRef,
    digest: Digest,
    options: CallerOptions,
  ): Promise<{ readonly sizeBytes: number } | undefined>
}

/** Which repositories anybody may read, as the origin says. */
export interface PublicRepositoryNotes {
  isPublic(origin: OriginRef): boolean
  /** Finds out in the background, by `reference`, a tag or digest of the repository. */
  confirm(origin: OriginRef, reference: string): void
}

/** How is the blob cut? Its table of contents is what `anchor` says, for those who have to find out. */
export interface LayoutRequest {
  readonly kind: 'layout'
  readonly ref: BlobRef
  readonly anchor: TocAnchor
  readonly origins: readonly OriginGrant[]
}

/** One question to a peer. */
export type DocumentRequest =
  | LayoutRequest
  | { readonly kind: 'tag'; readonly origin: OriginRef; readonly tag: string }
  | { readonly kind: 'manifest'; readonly origin: OriginRef; readonly digest: Digest }
  /** May anybody read the repository, and does `digest`, when one is named, belong to it? */
  | { readonly kind: 'public'; readonly origin: OriginRef; readonly digest?: Digest | undefined }
  /** In which order is the layer read at a start? A tracker remembers an `offer`. */
  | { readonly kind: 'trace'; readonly digest: Digest; readonly offer?: StartTrace | undefined }

/** What is asked of the catalog. */
export type CatalogRequest = Exclude<DocumentRequest, { readonly kind: 'trace' | 'layout' }>

/** Its answer; `none` when the peer does not know. */
export type DocumentReply =
  | { readonly kind: 'layout'; readonly layout: ChunkLayout }
  | { readonly kind: 'tag'; readonly descriptor: ManifestDescriptor; readonly ageMs: number }
  | { readonly kind: 'manifest'; readonly document: ManifestDocument }
  | { readonly kind: 'public'; readonly isPublic: boolean }
  | { readonly kind: 'trace'; readonly trace: StartTrace }
  | { readonly kind: 'none' }

/** Asks peers for documents. A manifest that comes back has its digest; the rest is the peer's word. */
export interface DocumentPeers {
  /** The configured trackers, whose word is trusted. */
  trackers(): readonly PeerRef[]
  /** Some agents that are connected. */
  agents(): readonly PeerRef[]
  /** Throws when the peer cannot be asked. */
  ask(peer: PeerRef, request: DocumentRequest, options: AbortOptions): Promise<DocumentReply>
}
