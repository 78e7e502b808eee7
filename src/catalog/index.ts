/**
 * Manifests, tags, and which digest belongs where.
 * Promise: a manifest has its digest; a tag is what the origin says, or was, within the configured limit, when it is
 * down; a digest is said to belong to a repository only when the origin, a tracker or a manifest of it said so.
 * Owns no state of its own: what is kept is the store's.
 */
export { askAgents, askTrackers } from './ask-peers.ts'
export { Catalog, type CatalogComponents, type CatalogInit } from './catalog.ts'
export { DocumentExchange, type DocumentExchangeComponents, type DocumentStreams } from './document-exchange.ts'
export type {
  CatalogStore,
  DocumentPeers,
  DocumentReply,
  DocumentRequest,
  ManifestDescriptor,
  ManifestDocument,
  OriginDocuments,
  SeenOrigin,
  StoredTag,
} from './ports.ts'
