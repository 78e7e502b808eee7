/**
 * Blobs on disk, chunk by chunk; documents; and notes of origins.
 * Promise: a chunk counts as held only after its bytes and then its record are written, and after an unclean stop only
 * once it was checked again; nothing that is open is evicted; the disk's failures are errors of this module, never wrong
 * bytes. The files are the truth, the SQLite index can be deleted.
 * Owns: the store's directory, kept from other processes by a lock; the worker thread that hashes; the memory of hot chunks.
 */
export type { StoredDocument } from './document-store.ts'
export {
  BlobSizeConflictError,
  ChunkNotHeldError,
  DocumentInvalidError,
  StoreFailedError,
  StoreFullError,
  StoreLockedError,
} from './errors.ts'
export type { FileStat, FileSystem, StoreFile } from './file-system.ts'
export type { HashJob, HashResult, HashSegment } from './hash-segments.ts'
export type { Hasher } from './hasher.ts'
export { nodeFileSystem } from './node-file-system.ts'
export type { OpenBlob } from './open-blob.ts'
export type { SeenAt, TagNote } from './origin-notes.ts'
export type { TraceNote } from './trace-notes.ts'
export { type BlobSummary, Store, type StoreComponents, type StoreInit, type StoreUsage } from './store.ts'
