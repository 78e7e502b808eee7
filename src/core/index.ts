/**
 * The words of the domain: digests, blobs, peers, errors, time.
 * Promise: pure values and functions; no input or output, no state.
 */
export type { AbortOptions } from './abort.ts'
export type { BlobRef, OriginGrant, OriginRef } from './blob.ts'
export { type Clock, type Random, systemClock, type Timer } from './clock.ts'
export {
  type Digest,
  digestBytes,
  digestFromBytes,
  digestHex,
  digestOf,
  parseDigest,
  SHA256_BYTES,
  sha256,
} from './digest.ts'
export { type Blame, isAbort, ShoalError, type ShoalErrorInit } from './errors.ts'
export { MAX_TRACE_CHUNKS, type StartTrace } from './start-trace.ts'
export type { PeerRef, PeerRole } from './peer.ts'
export {
  PeerBusyError,
  PeerLacksChunkError,
  PeerClosedError,
  PeerStalledError,
  PeerProtocolError,
} from './peer-errors.ts'
