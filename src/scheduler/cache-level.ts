import type { ByteSource } from './fetch-ledger.ts'

/** The levels that a client's bytes can come from, the nearest first: of the agent's own, then those it fetches from. */
export const CACHE_LEVELS = ['memory', 'disk', 'peers', 'tracker', 'origin'] as const

export type CacheLevel = (typeof CACHE_LEVELS)[number]

/** The level of a chunk that its reader had to wait for. One taken over from another blob was on the disk. */
export function levelOfSource(source: ByteSource | undefined): CacheLevel {
  return source === undefined || source === 'store' ? 'disk' : source
}
