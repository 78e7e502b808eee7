/**
 * What this process gives to its peers: bitfields, haves, chunks, maps, and the names of other peers.
 * Promise: only chunks that the store holds verified are sent; a blob is pinned while someone follows it.
 * Owns: the followers of each blob and the directory of who has what.
 */
export { BlobDirectory } from './blob-directory.ts'
export type { Seeder, SupplyStore } from './ports.ts'
export { Supply, type SupplyComponents } from './supply.ts'
