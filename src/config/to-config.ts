import { join } from 'node:path'
import type { PeerRef, PeerRole } from '../core/index.ts'
import type { Config, RegistryConfig } from './config.ts'
import type { Quota } from './leaf.ts'
import type { Settings } from './schema.ts'

/** Size in bytes of the disk that holds `path`, whether or not `path` exists yet. */
export type DiskSize = (path: string) => number

/** The settings under the names and in the units the program uses, with what depends on other settings filled in. */
export function toConfig(role: PeerRole, settings: Settings, diskSize: DiskSize): Config {
  const { dataDir, store, mirror, p2p } = settings
  return {
    role,
    dataDir,
    zone: settings.zone,
    cluster: { keyFile: settings.cluster.keyFile, key: settings.cluster.key },
    identity: { file: settings.identity.file ?? join(dataDir, 'identity.key') },
    store: {
      quotaBytes: bytesOf(store.quota, dataDir, diskSize),
      minFreeBytes: bytesOf(store.minFree, dataDir, diskSize),
      memoryBytes: store.memory,
    },
    mirror: { ...mirror, defaultNamespace: mirror.defaultNamespace },
    admin: settings.admin,
    p2p: { ...p2p, bootstrap: byPeer(p2p.bootstrap) },
    trackers: byPeer(settings.trackers),
    registries: Object.entries(settings.registries).map(([namespace, registry]) => toRegistry(namespace, registry)),
    credentials: { dockerConfigFile: settings.credentials.dockerConfig },
    tags: { ttlMs: settings.tags.ttl, staleLimitMs: settings.tags.staleLimit },
    access: { ttlMs: settings.access.ttl, staleLimitMs: settings.access.staleLimit },
    exchange: toExchange(settings.exchange),
    limits: settings.limits,
    completion: { mode: settings.completion.mode, quietMs: settings.completion.quiet },
    timeouts: toTimeouts(settings.timeouts),
    log: settings.log,
  }
}

function bytesOf(quota: Quota, dataDir: string, diskSize: DiskSize): number {
  return 'bytes' in quota ? quota.bytes : Math.floor(quota.shareOfDisk * diskSize(dataDir))
}

function toRegistry(namespace: string, registry: Settings['registries'][string]): RegistryConfig {
  const { url, caFile, username, passwordFile } = registry
  return { ...registry, namespace, url, caFile, username, passwordFile }
}

function toExchange({ uploadSlots, listen, carrier }: Settings['exchange']): Config['exchange'] {
  return { uploadSlots, listen: listen === 'off' ? undefined : listen, carrier }
}

function toTimeouts(timeouts: Settings['timeouts']): Config['timeouts'] {
  return {
    firstByteMs: timeouts.firstByte,
    stallMs: timeouts.stall,
    originConnectMs: timeouts.originConnect,
    originHeadersMs: timeouts.originHeaders,
    originIdleMs: timeouts.originIdle,
    stopMs: timeouts.stop,
  }
}

/** One entry for each peer, with all its addresses. */
function byPeer(pinned: readonly { readonly id: string; readonly address: string }[]): PeerRef[] {
  const groups = Map.groupBy(pinned, (entry) => entry.id)
  return [...groups].map(([id, entries]) => ({ id, addresses: [...new Set(entries.map((entry) => entry.address))] }))
}
