import { hostname } from 'node:os'
import type { Catalog } from '../catalog/index.ts'
import type { Config } from '../config/index.ts'
import { systemClock } from '../core/index.ts'
import type { Platform } from '../oci/index.ts'
import type { OriginClient } from '../origin/index.ts'
import type { P2pNode } from '../p2p/index.ts'
import { type ImagePullComponents, Libp2pNetwork, Prefetcher } from '../prefetch/index.ts'
import type { Scheduler } from '../scheduler/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'

/** Host names are told to peers in so many characters. */
const MAX_NAME_CHARS = 64

/** Node's names for machines where the OCI's differ. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }

export interface PrefetchingComponents {
  readonly node: P2pNode
  readonly catalog: Catalog
  readonly origin: OriginClient
  readonly scheduler: Scheduler
  readonly logger: Logger
  readonly metrics: Metrics
}

/** What pulls images into the store of this process with its own rights, here and for orders of peers. */
export interface Prefetching {
  readonly prefetcher: Prefetcher
  readonly images: ImagePullComponents
}

/** Makes it; the prefetcher is not started yet. */
export function makePrefetching(config: Config, components: PrefetchingComponents): Prefetching {
  const { node, catalog, origin, scheduler, logger, metrics } = components
  const images: ImagePullComponents = {
    allows: (namespace) => origin.allows(namespace),
    resolveTag: async (at, tag, call) => await catalog.resolveTag(at, tag, call),
    manifest: async (origins, digest, call) => await catalog.manifest(origins, digest, call),
    open: async (blob, origins, call) => await scheduler.open(blob, { origins }, call),
    clock: systemClock,
    platform: hostPlatform(),
  }
  const trackers = new Set(config.trackers.map(({ id }) => id))
  const prefetcher = new Prefetcher(
    { role: config.role, zone: config.zone, name: hostname().slice(0, MAX_NAME_CHARS) },
    {
      network: new Libp2pNetwork(node),
      images,
      isTracker: (peerId) => trackers.has(peerId),
      clock: systemClock,
      random: Math.random,
      logger,
      metrics,
    },
  )
  return { prefetcher, images }
}

/** The platform images are chosen for on this machine. */
function hostPlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch }
}
