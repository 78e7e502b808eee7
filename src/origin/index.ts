/**
 * The client of the registries that images come from: manifests, blobs by range, tags, referrers, and whether a caller may have them.
 * Promise: only configured namespaces are dialled, redirects and token realms lead nowhere they should not; every request is within the
 * registry's limits and deadlines; a blob is resumed at the exact byte or fails with an error that says who is to blame. Blob bytes are not verified here.
 * Owns: connections, tokens, cool-downs and signed URLs, each for one registry. The only importer of undici.
 */
export type { ByteRange } from './blob-reader.ts'
export {
  OriginBrokenError,
  OriginDeniedError,
  OriginMissingError,
  OriginNotAllowedError,
  OriginRequestError,
  OriginThrottledError,
  OriginUnauthorizedError,
  OriginUnavailableError,
} from './errors.ts'
export type { Listing, ListTagsOptions, ReferrersOptions } from './listings.ts'
export type { FetchedManifest, ManifestHead } from './manifests.ts'
export { type BlobAccess, OriginClient } from './origin-client.ts'
export type { ProbeResult, ProbeTarget } from './probe.ts'
export type {
  BlobReadOptions,
  OriginCallOptions,
  OriginClientComponents,
  OriginClientInit,
  OriginTimeouts,
  PasswordCredentials,
  RegistryDefaults,
  RegistrySettings,
  RetrySettings,
} from './settings.ts'
