/**
 * OCI names and documents: what registries, repositories, tags, manifests, request paths and challenges look like.
 * Promise: pure functions; outside input is bounded before it is parsed, and what breaks a grammar is `undefined` or a typed error, never a crash.
 */
export { type Challenge, parseChallenges } from './challenge.ts'
export { type DistributionPath, parseDistributionPath } from './distribution-path.ts'
export { InvalidManifestError } from './errors.ts'
export { type ImageReference, imageReferenceText, parseImageReference } from './image-reference.ts'
export { type Descriptor, MAX_MANIFEST_BYTES, type Manifest, parseManifest, sniffMediaType } from './manifest.ts'
export { MANIFEST_ACCEPT, type ManifestKind, MediaType, manifestKindOf, mediaTypeOf } from './media-types.ts'
export {
  isRepositoryName,
  isTag,
  parseReference,
  type Reference,
  referenceText,
} from './names.ts'
export {
  DOCKER_HUB,
  DOCKER_HUB_HOST,
  looksLikeNamespace,
  normalizeNamespace,
  originUrlOf,
  splitNamespace,
} from './namespace.ts'
export { OCI_ERROR_CODES, type OciErrorBody, type OciErrorCode, ociError } from './oci-error.ts'
export { type EstargzAnchor, type TocAnchor, tocAnchorOf, type ZstdChunkedAnchor } from './toc-anchor.ts'
export { choosePlatform, matchesPlatform, type Platform, parsePlatform } from './platform.ts'
