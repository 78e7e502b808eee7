import type { AbortOptions, BlobRef, Digest, OriginGrant } from '../core/index.ts'
import type { SupplyBusy } from '../exchange/index.ts'
import type { StoredBlob } from '../scheduler/index.ts'

/** The store as the supply side sees it. */
export interface SupplyStore {
  /** What is held of a blob, without opening it. */
  find(digest: Digest): { readonly sizeBytes: number; readonly heldCount: number } | undefined
  open(ref: BlobRef, options: AbortOptions): Promise<StoredBlob>
}

/** A tracker's willingness to fetch what nobody has. An agent has none. */
export interface Seeder {
  /** Peers of `ref` want it; from where it could be fetched is remembered. */
  noteWanted(ref: BlobRef, origins: readonly OriginGrant[]): void
  /** The number of a held chunk that is best for `peerId` to have, waiting for one if need be. */
  take(peerId: string, ref: BlobRef, options: AbortOptions): Promise<number | 'lacks' | SupplyBusy>
  /** Fetches `chunk` ahead of everything else; false when it cannot be had. */
  fetch(ref: BlobRef, chunk: number, options: AbortOptions): Promise<boolean>
}
