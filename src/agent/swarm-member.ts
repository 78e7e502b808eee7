import { join } from 'node:path'
import { Catalog, type CatalogComponents, DocumentExchange } from '../catalog/index.ts'
import type { ChunkLayout } from '../chunking/index.ts'
import type { Completer } from '../completion/index.ts'
import type { Config } from '../config/index.ts'
import { type BlobRef, type PeerRef, sha256, systemClock } from '../core/index.ts'
import { Discovery } from '../discovery/index.ts'
import { Exchange } from '../exchange/index.ts'
import { LayoutBook, Layouts, ReadTails, TocAnchors, WorkerTocReader } from '../layouts/index.ts'
import { OriginClient } from '../origin/index.ts'
import { createP2pNode, type Identity, loadOrCreateIdentity, type P2pNode, signerOf } from '../p2p/index.ts'
import { defaultSettings, InFlightBudget, Scheduler, trackerSettings } from '../scheduler/index.ts'
import { Store } from '../store/index.ts'
import { BlobDirectory, Supply } from '../supply/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { TrackerSeeder } from '../tracker/index.ts'
import { startCompleter } from './background-completion.ts'
import { BandwidthLimits } from './bandwidth-limits.ts'
import { CacheLevels } from './cache-levels.ts'
import { bootstrapAddresses, exchangeInit, p2pInit, trustedSigners } from './cluster.ts'
import { layoutPeers } from './layout-peers.ts'
import { mapMaker } from './map-maker.ts'
import { Membership } from './membership.ts'
import { ExchangeNetwork } from './peer-network.ts'
import { makePrefetching, type Prefetching } from './prefetching.ts'
import { originInit } from './registry-settings.ts'
import { PublicRepositories } from './public-repositories.ts'
import { Removals } from './removals.ts'
import { StartTraces } from './start-traces.ts'
import { Shutdown } from './shutdown.ts'
import { swarmMetrics } from './swarm-metrics.ts'
import { TrackerLinks } from './tracker-links.ts'
import { BufferPool, version } from '../util/index.ts'

/** Most bytes of chunk buffers kept for the next pull's second: as many as a busy agent has in use, 16 each way. */
const IDLE_BUFFER_BYTES = 32 * 1024 * 1024

/** Peers that asked for a layer before we wanted it, who are followed at once: as many as are followed of one blob. */
const MAX_ASKERS = 16

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
  readonly limits: BandwidthLimits
  readonly cacheLevels: CacheLevels
  /** Absent where nothing is completed. */
  readonly completer: Completer | undefined
  readonly prefetching: Prefetching
  /** Ends everything in the reverse order of its start. */
  stop(): Promise<void>
}

/** The parts that reach out of the process: disk, registries, peers. */
interface Doors {
  readonly identity: Identity
  readonly limits: BandwidthLimits
  readonly store: Store
  readonly removals: Removals
  readonly origin: OriginClient
  readonly node: P2pNode
  readonly discovery: Discovery
  readonly documents: DocumentExchange
  readonly buffers: BufferPool
  /** How layers are cut that are begun, and which of them have a table of contents. */
  readonly layoutBook: LayoutBook
  readonly tocAnchors: TocAnchors
  /** The origin as downloads read it. */
  readonly tails: ReadTails
}

/** Starts store, peer, origin client and scheduler in the role that the configuration names. On failure nothing is left running. */
export async function startSwarmMember(config: Config, components: ProcessComponents): Promise<SwarmMember> {
  const shutdown = new Shutdown(components.logger)
  try {
    const doors = await openDoors(config, components, shutdown)
    const catalog = makeCatalog(config, doors, components, shutdown, (layers, asked) => {
      doors.tocAnchors.note(layers)
      layouts.foresee(
        layers.map(({ digest, sizeBytes }) => ({ digest, sizeBytes })),
        asked,
      )
    })
    const { scheduler, exchange, membership, layouts } = makeBrain(config, doors, components, shutdown)
    const traces = new StartTraces(config, { ...components, ...doors, peers: doors.documents, scheduler })
    shutdown.add(async () => await traces.stop())
    await connect(config, doors, { catalog, traces, layouts, exchange, membership, ...components }, shutdown)
    const cacheLevels = new CacheLevels({ scheduler, store: doors.store, metrics: components.metrics })
    const completer = startCompleter(config, { scheduler, store: doors.store, ...components })
    shutdown.add(async () => await completer?.stop())
    membership.start(doors.store.list().map(({ digest }) => digest))
    const { node, store, origin, limits } = doors
    const prefetching = makePrefetching(config, { ...components, node, catalog, origin, scheduler })
    await prefetching.prefetcher.start()
    shutdown.add(async () => await prefetching.prefetcher.stop())
    return {
      node,
      store,
      origin,
      catalog,
      scheduler,
      exchange,
      limits,
      cacheLevels,
      completer,
      prefetching,
      stop: async () => await shutdown.run(),
    }
  } catch (error) {
    await shutdown.run()
    throw error
  }
}

async function openDoors(config: Config, components: ProcessComponents, shutdown: Shutdown): Promise<Doors> {
  const { logger, metrics } = components
  const clock = systemClock
  const limits = new BandwidthLimits(config.limits, { clock, logger, metrics })
  const removals = new Removals()
  const layoutBook = new LayoutBook()
  const buffers = new BufferPool({ maxIdleBytes: IDLE_BUFFER_BYTES }, { clock })
  const identity = await loadOrCreateIdentity(config.identity.file)
  const store = await Store.open(
    { dir: join(config.dataDir, 'store'), ...config.store },
    {
      clock,
      logger: logger.child({ module: 'store' }),
      metrics,
      buffers,
      layoutOf: (ref) => layoutBook.layoutOf(ref),
      onRemoved: (digest) => removals.tell(digest),
    },
  )
  shutdown.add(async () => await store.close())
  const origin = new OriginClient(await originInit(config, `shoal/${version}`), {
    logger,
    metrics,
    clock,
    bandwidth: limits.origin,
  })
  shutdown.add(async () => await origin.close())
  const node = await createP2pNode(await p2pInit(config, identity), { logger, metrics, clock })
  const discovery = new Discovery(
    { bootstrapAddresses: bootstrapAddresses(config), peerCacheFile: join(config.dataDir, 'peers.json') },
    { node, logger, metrics, clock },
  )
  const documents = new DocumentExchange({ trackers: otherTrackers(config, node) }, { streams: node, logger })
  const tocAnchors = new TocAnchors()
  const tails = new ReadTails(origin)
  return {
    identity,
    limits,
    store,
    removals,
    origin,
    node,
    discovery,
    documents,
    buffers,
    layoutBook,
    tocAnchors,
    tails,
  }
}

function makeCatalog(
  config: Config,
  { store, origin, documents }: Doors,
  { logger }: ProcessComponents,
  shutdown: Shutdown,
  onLayers: NonNullable<CatalogComponents['onLayers']>,
): Catalog {
  const publicRepositories =
    config.role === 'tracker'
      ? new PublicRepositories(config.access, { store, origin, clock: systemClock, logger })
      : undefined
  if (publicRepositories !== undefined) shutdown.add(async () => await publicRepositories.stop())
  return new Catalog(
    {
      tagTtlMs: config.tags.ttlMs,
      tagStaleLimitMs: config.tags.staleLimitMs,
      agreement: defaultSettings.agreement,
    },
    {
      store,
      origin,
      // A tracker's word is trusted, so it has it from the origin.
      ...(config.role === 'agent' ? { peers: documents } : {}),
      ...(publicRepositories === undefined ? {} : { publicRepositories }),
      onLayers,
      clock: systemClock,
      logger,
    },
  )
}

/** The scheduler, what it takes from peers and what it gives to them; the exchange serves both ways, hence the knot. */
function makeBrain(config: Config, doors: Doors, components: ProcessComponents, shutdown: Shutdown) {
  const { store, node, discovery, identity, buffers, limits } = doors
  const { logger, metrics } = components
  const clock = systemClock
  const random = Math.random
  const isTrustedSigner = trustedSigners(config, identity)
  const settings = {
    ...(config.role === 'agent' ? defaultSettings : trackerSettings),
    stallFloorMs: config.timeouts.stallMs,
  }
  const directory = new BlobDirectory(random)
  const membership = new Membership({
    discovery,
    announce: (digests) => exchange.announce(digests),
    withdraw: (digests) => exchange.withdraw(digests),
    hasTracker: () => exchange.links().some(({ role }) => role === 'tracker'),
    random,
    askers: (digest) => directory.introduce(digest, node.peerId, MAX_ASKERS),
  })
  doors.removals.listen((digest) => membership.withdraw(digest))
  const layouts = makeLayouts(config, doors, components, (ref) => scheduler.find(ref.digest)?.blob.layout)
  const scheduler: Scheduler = new Scheduler(
    { selfId: node.peerId, role: config.role, zone: config.zone, settings },
    {
      store,
      layoutOf: (ref) => layouts.layoutOf(ref),
      findLayout: async (ref, access, options) => await layouts.find(ref, access, options),
      network: new ExchangeNetwork(config.trackers, { node, exchange: () => exchange, logger }),
      router: membership,
      origin: doors.tails,
      budget: new InFlightBudget(settings.inFlightBytes),
      bandwidth: limits.download,
      clock,
      random,
      buffers,
      logger: logger.child({ module: 'scheduler' }),
      hash: sha256,
      isTrustedSigner,
      makeMap: mapMaker({ signer: signerOf(identity), isTrustedSigner }, { logger }),
    },
  )
  shutdown.add(async () => await scheduler.stop())
  swarmMetrics(metrics, scheduler, config.zone)

  const seeder = config.role === 'tracker' ? new TrackerSeeder({ scheduler, directory, clock, logger }) : undefined
  if (seeder !== undefined) shutdown.add(async () => await seeder.stop())
  const supply = new Supply({ store, scheduler, directory, clock, logger, ...(seeder === undefined ? {} : { seeder }) })
  shutdown.add(async () => await supply.stop())
  const exchange: Exchange = new Exchange(exchangeInit(config, identity), {
    streams: node,
    supply,
    buffers,
    layoutOf: (ref) => scheduler.layoutOf(ref),
    clock,
    logger,
    metrics,
    uploadBandwidth: limits.upload,
  })
  exchange.setHoldings(() => store.list().map(({ digest }) => digest))
  return { scheduler, exchange, membership, layouts }
}

function makeLayouts(
  { role }: Config,
  { store, origin, documents, layoutBook, tocAnchors, tails }: Doors,
  { logger, metrics }: ProcessComponents,
  openLayoutOf: (ref: BlobRef) => ChunkLayout | undefined,
): Layouts {
  return new Layouts(
    { role, agreement: defaultSettings.agreement },
    {
      book: layoutBook,
      anchorOf: (digest) => tocAnchors.anchorOf(digest),
      reader: new WorkerTocReader(),
      origin,
      tails,
      peers: layoutPeers(documents, logger),
      heldLayoutOf: (ref) => openLayoutOf(ref) ?? store.layoutOf(ref),
      clock: systemClock,
      logger: logger.child({ module: 'layouts' }),
      metrics,
    },
  )
}

/** What peers are served with, and who is told of them. */
interface Served {
  readonly catalog: Catalog
  readonly traces: StartTraces
  readonly layouts: Layouts
  readonly exchange: Exchange
  readonly membership: Membership
  readonly logger: Logger
}

/** Opens the listeners to peers, and then goes out to find them. */
async function connect(
  config: Config,
  { node, discovery, documents }: Doors,
  { catalog, traces, layouts, exchange, membership, logger }: Served,
  shutdown: Shutdown,
): Promise<void> {
  await node.start()
  shutdown.add(async () => await node.stop())
  await exchange.start()
  shutdown.add(async () => await exchange.stop())
  await documents.start(async (request, options) => {
    if (request.kind === 'trace') return traces.answer(request)
    if (request.kind !== 'layout') return await catalog.answer(request, config.role === 'tracker', options)
    const layout = await layouts.answer(request, options)
    return layout === undefined ? { kind: 'none' } : { kind: 'layout', layout }
  })
  shutdown.add(async () => await documents.stop())
  shutdown.add(async () => await catalog.stop())
  shutdown.add(async () => await layouts.stop())
  const links = new TrackerLinks(otherTrackers(config, node), {
    node,
    exchange,
    logger,
    onLeft: () => membership.trackerLeft(),
  })
  links.start()
  shutdown.add(async () => await links.stop())
  await discovery.start()
  shutdown.add(async () => await discovery.stop())
}

/** In the role of a tracker the list may name the process itself. */
function otherTrackers(config: Config, { peerId }: P2pNode): PeerRef[] {
  return config.trackers.filter(({ id }) => id !== peerId)
}
