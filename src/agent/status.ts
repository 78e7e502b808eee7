import { type Config, DIRECTIONS, formatRate, type Limits } from '../config/index.ts'
import type { Clock } from '../core/index.ts'
import { NO_COMPLETION } from './background-completion.ts'
import { summaryOf } from '../prefetch/index.ts'
import type { SwarmMember } from './swarm-member.ts'
import { RATE_NAMES, version } from '../util/index.ts'

/** Stored layers listed in a status: the largest node has some thousands, a reader wants the latest. */
const MAX_LAYERS = 200

/** A snapshot of this process for `shoal status` and whoever else asks. Bytes and seconds. */
export function statusOf(
  config: Config,
  member: SwarmMember,
  startedMs: number,
  clock: Clock,
  ready: { ok: boolean; reasons: readonly string[] },
) {
  const usage = member.store.usage()
  return {
    peerId: member.node.peerId,
    role: config.role,
    version,
    uptimeSeconds: Math.round((clock.now() - startedMs) / 1000),
    zone: config.zone,
    ready,
    peers: member.exchange.traffic(),
    layers: layersOf(member),
    prefetches: member.prefetching.prefetcher.orders().map(summaryOf),
    limits: limitsSet(member.limits.limits),
    bytesBySource: member.scheduler.ledger.total,
    bytesByZone: member.scheduler.zones.total,
    cache: member.cacheLevels.status,
    completion: member.completer?.status ?? NO_COMPLETION,
    store: { usedBytes: usage.usedBytes, quotaBytes: usage.quotaBytes, blobs: usage.blobCount },
  }
}

/** The limits that there are, by their dotted names: `{"upload.total": "50MiB/s"}`. */
function limitsSet(limits: Limits): Record<string, string> {
  const set = DIRECTIONS.flatMap((direction) =>
    RATE_NAMES.filter((name) => Number.isFinite(limits[direction][name])).map((name) => [
      `${direction}.${name}`,
      formatRate(limits[direction][name]),
    ]),
  )
  return Object.fromEntries(set)
}

/** Downloads under way first, then what is stored, latest used first. */
function layersOf({ scheduler, store }: SwarmMember) {
  const downloads = scheduler.downloads().filter(({ isComplete }) => !isComplete)
  const open = new Set(downloads.map(({ digest }) => digest))
  const stored = store
    .list()
    .filter(({ digest }) => !open.has(digest))
    .sort((a, b) => b.lastUsedMs - a.lastUsedMs)
  const underWay = downloads.map(({ digest, sizeBytes, heldBytes, isComplete, readers, peers }) => ({
    digest,
    sizeBytes,
    heldBytes,
    isComplete,
    state: 'downloading' as const,
    readers,
    peers,
  }))
  const idle = stored.map(({ digest, sizeBytes, heldCount, chunkCount, isComplete }) => ({
    digest,
    sizeBytes,
    heldBytes: isComplete ? sizeBytes : Math.floor((sizeBytes * heldCount) / Math.max(1, chunkCount)),
    isComplete,
    state: 'idle' as const,
    readers: 0,
    peers: 0,
  }))
  return [...underWay, ...idle].slice(0, MAX_LAYERS)
}
