/**
 * The download brain: which chunk of which blob to take from whom, and when.
 * Promise: one download per blob whoever asks; only verified bytes come out; every wait ends; the origin is the last
 * resort and is read once for the cluster as long as a tracker has duty. No sockets, no files, no clock of its own:
 * all of that comes in through `ports.ts`, so that a thousand agents run in one process under virtual time.
 * Owns: the downloads under way, their peers, demands and requests.
 */
export { BlobHandle, type ByteRange } from './blob-handle.ts'
export { CACHE_LEVELS, type CacheLevel } from './cache-level.ts'
export type { ClientActivity } from './client-activity.ts'
export type { DemandKind } from './demand.ts'
export type { BytesBySource, ByteSource } from './fetch-ledger.ts'
export { InFlightBudget } from './in-flight-budget.ts'
export { rendezvousWeight } from './origin-duty.ts'
export { MAX_READERS } from './peer-duty.ts'
export type { PeerState } from './peer-state.ts'
export type * from './ports.ts'
export { type DownloadSummary, type LazyRead, Scheduler, type SchedulerListener } from './scheduler.ts'
export { defaultSettings, type SchedulerSettings, trackerSettings } from './settings.ts'
export { bearerGrants } from './swarm.ts'
export { TaskGroup } from './task-group.ts'
