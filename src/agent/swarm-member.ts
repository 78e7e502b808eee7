import { join } from 'node:path'
import { Catalog, DocumentExchange } from '../catalog/index.ts'
import { gridLayout } from '../chunking/index.ts'
import type { Config } from '../config/index.ts'
import { type Digest, sha256, systemClock } from '../core/index.ts'
import { Discovery } from '../discovery/index.ts'
import { Exchange } from '../exchange/index.ts'
import { OriginClient } from '../origin/index.ts'
import {
  type ClusterKey,
  createP2pNode,
  loadClusterKey,
  loadOrCreateIdentity,
  type P2pNode,
  parseClusterKey,
  peerIdOf,
  signerOf,
} from '../p2p/index.ts'
import {
  defaultSettings,
  InFlightBudget,
  Scheduler,
  type SchedulerSettings,
  trackerSettings,
} from '../scheduler/index.ts'
import { Store } from '../store/index.ts'
import { BlobDirectory, type Seeder, Supply } from '../supply/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { TrackerSeeder } from '../tracker/index.ts'
import { mapMaker } from './map-maker.ts'
import { Membership } from './membership.ts'
import { ExchangeNetwork } from './peer-network.ts'
import { originInit } from './registry-settings.ts'
import { swarmMetrics } from './swarm-metrics.ts'
import { version } from './version.ts'

/** Data lanes to one peer: enough to hide a round trip between chunks, as measured with two to four streams. */
const LANES_PER_PEER = 4

export interface ProcessComponents {
  readonly logger: Logger
  readonly metrics: Metrics
}

/** Everything an agent and a tracker have in common, started and connected. */
export interface SwarmMember {
  readonly node: P2pNode
  readonly store: Store
  readonly origin: OriginClient
  readonly catalog: Catalog
  readonly scheduler: Scheduler
  readonly exchange: Exchange
  /** Ends everything in the reverse order of its start. */
  stop(): Promise<void>
}

/** Starts store, peer, origin client and scheduler in the role that the configuration names. On failure nothing is left running. */
export async function startSwarmMember(config: Config, components: ProcessComponents): Promise<SwarmMember> {
  const stops: (() => Promise<unknown>)[] = []
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse()) {
      try {
        await end()
      } catch (error) {
        components.logger.error({ err: error }, 'part not stopped cleanly')
      }
    }
  }
  try {
    return { ...(await assemble(config, components, stops)), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function assemble(
  config: Config,
  { logger, metrics }: ProcessComponents,
  stops: (() => Promise<unknown>)[],
): Promise<Omit<SwarmMember, 'stop'>> {
  const clock = systemClock
  const random = Math.random
  const identity = await loadOrCreateIdentity(config.identity.file)
  const clusterKey = await clusterKeyOf(config)
  const trackerIds = new Set(config.trackers.map(({ id }) => id))
  if (config.role === 'tracker') trackerIds.add(peerIdOf(identity))
  const isTrustedSigner = (signer: string) => trackerIds.has(signer)

  const store = await Store.open({ dir: join(config.dataDir, 'store'), ...config.store }, { clock, logger, metrics })
  stops.push(async () => await store.close())
  const origin = new OriginClient(await originInit(config, `shoal/${version}`), { logger, metrics, clock })
  stops.push(async () => await origin.close())

  const node = await createP2pNode(p2pInit(config, identity, clusterKey, trackerIds), { logger, metrics, clock })
  const discovery = new Discovery(
    { bootstrapAddresses: bootstrapAddresses(config), peerCacheFile: join(config.dataDir, 'peers.json') },
    { node, logger, metrics, clock, random },
  )
  const documents = new DocumentExchange(
    { trackers: config.trackers.filter(({ id }) => id !== node.peerId) },
    { streams: node, logger },
  )
  const catalog = new Catalog(
    {
      tagTtlMs: config.tags.ttlMs,
      tagStaleLimitMs: config.tags.staleLimitMs,
      agreement: defaultSettings.agreement,
    },
    {
      store,
      origin,
      ...(config.role === 'agent' ? { peers: documents } : {}),
      anonymousSince: (at) => store.access(at),
      clock,
      logger,
    },
  )

  const settings = schedulerSettings(config)
  const network = new ExchangeNetwork(config.trackers, { node, exchange: () => exchange, logger })
  const membership = new Membership({ discovery, announce: (digests) => exchange.announce(digests) })
  const scheduler = new Scheduler(
    { selfId: node.peerId, settings },
    {
      store,
      layoutOf: (ref) => gridLayout(ref.sizeBytes),
      network,
      router: membership,
      origin,
      budget: new InFlightBudget(settings.inFlightBytes),
      clock,
      random,
      logger: logger.child({ module: 'scheduler' }),
      hash: sha256,
      isTrustedSigner,
      makeMap: mapMaker({ signer: signerOf(identity), isTrustedSigner }, { logger }),
    },
  )
  stops.push(async () => await scheduler.stop())
  swarmMetrics(metrics, scheduler)

  const directory = new BlobDirectory(random)
  const seeder = config.role === 'tracker' ? new TrackerSeeder({ scheduler, directory, clock, logger }) : undefined
  if (seeder !== undefined) stops.push(async () => await seeder.stop())
  const supply = new Supply({ store, scheduler, directory, clock, logger, ...seederOf(seeder) })
  stops.push(async () => await supply.stop())
  const exchange = new Exchange(
    {
      role: config.role,
      zone: config.zone,
      uploadSlots: config.exchange.uploadSlots,
      maxLanesPerPeer: LANES_PER_PEER,
    },
    { streams: node, supply, clock, logger, metrics },
  )
  exchange.setHoldings(() => store.list().map(({ digest }) => digest))

  await node.start()
  stops.push(async () => await node.stop())
  await exchange.start()
  stops.push(async () => await exchange.stop())
  await documents.start(async (request, options) => await catalog.answer(request, config.role === 'tracker', options))
  stops.push(async () => await documents.stop())
  stops.push(async () => await catalog.stop())
  await discovery.start()
  stops.push(async () => await discovery.stop())
  membership.start(store.list().map(({ digest }): Digest => digest))
  return { node, store, origin, catalog, scheduler, exchange }
}

async function clusterKeyOf(config: Config): Promise<ClusterKey> {
  return config.cluster.key === undefined
    ? await loadClusterKey(config.cluster.keyFile)
    : parseClusterKey(config.cluster.key)
}

function p2pInit(
  config: Config,
  identity: Awaited<ReturnType<typeof loadOrCreateIdentity>>,
  clusterKey: ClusterKey,
  trackerIds: ReadonlySet<string>,
) {
  const admitted = new Set(config.p2p.admittedPeers)
  return {
    identity,
    clusterKey,
    listenAddresses: config.p2p.listen,
    announceAddresses: config.p2p.announce,
    maxConnections: config.p2p.maxConnections,
    admit: admitted.size === 0 ? undefined : (peerId: string) => admitted.has(peerId) || trackerIds.has(peerId),
  }
}

function bootstrapAddresses(config: Config): string[] {
  return [...config.trackers, ...config.p2p.bootstrap].flatMap(({ id, addresses }) =>
    addresses.map((address) => (address.endsWith(`/p2p/${id}`) ? address : `${address}/p2p/${id}`)),
  )
}

function schedulerSettings(config: Config): SchedulerSettings {
  const settings = config.role === 'agent' ? defaultSettings : trackerSettings
  return { ...settings, stallFloorMs: config.timeouts.stallMs }
}

function seederOf(seeder: Seeder | undefined): { seeder?: Seeder } {
  return seeder === undefined ? {} : { seeder }
}
