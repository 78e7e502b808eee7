/**
 * The registry mirror that containerd, podman and lazy snapshotters talk to: pulls of the OCI distribution API over HTTP.
 * Promise: an answer begins within a bounded time and only with its first verified bytes at hand, what has begun ends
 * complete or with a FIN, and nobody is given content that the origin would not give them.
 * Owns: the listening sockets, the answers under way, what is remembered of callers' rights and of bodies that broke off.
 */
export { namespaceAllowList } from './allow-list.ts'
export type { ByteRange } from './byte-ranges.ts'
export type { ClientKind } from './client-class.ts'
export { type BudgetLimits, type BudgetPolicy, DEFAULT_BUDGETS } from './first-byte-budget.ts'
export type { MirrorListener } from './http-listener.ts'
export {
  type AccessGateComponents,
  type AccessGateInit,
  type AccessPolicy,
  OriginAccessGate,
} from './access-gate.ts'
export type {
  AccessGate,
  AccessMemory,
  AccessOutcome,
  AccessProbe,
  AccessSubject,
  BlobDemand,
  BlobHandle,
  BlobRequest,
  BlobSource,
  CallerOptions,
  DigestHistory,
  DocumentSource,
  ManifestDescriptor,
  ManifestDocument,
  ProbeOutcome,
  ReferrersDocument,
  ReferrersOptions,
  SeenOrigin,
  TagsPage,
  TagsQuery,
  TrackerConfirmation,
} from './ports.ts'
export { MirrorServer, type MirrorServerComponents, type MirrorServerInit } from './server.ts'
