import { type AbortOptions, type Clock, type Digest, type PeerRef, type Random, systemClock } from '../core/index.ts'
import { parsePeerAddress } from '../p2p/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { BootstrapLink } from './bootstrap-link.ts'
import { DeadProviders } from './dead-providers.ts'
import type { DiscoveryNode } from './discovery-node.ts'
import { InvalidBootstrapAddressError } from './errors.ts'
import { type DiscoveryMetrics, discoveryMetrics } from './metrics.ts'
import { Neighbourhood } from './neighbourhood.ts'
import { PeerCache } from './peer-cache.ts'
import { ProvideQueue } from './provide-queue.ts'
import { ProviderSearch } from './provider-search.ts'
import { Rejoiner } from './rejoiner.ts'

export interface DiscoveryInit {
  /** Multiaddrs ending in `/p2p/PEERID` of peers to be always connected to, trackers among them. Our own is passed over. */
  readonly bootstrapAddresses: readonly string[]
  /** Where peers seen are remembered over a restart. */
  readonly peerCacheFile?: string | undefined
}

export interface DiscoveryComponents {
  readonly node: DiscoveryNode
  readonly logger: Logger
  readonly metrics: Metrics
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

/** Who is in the swarm and who has which layer. Satisfies the scheduler's `ContentRouter`. */
export class Discovery {
  readonly #node: DiscoveryNode
  readonly #logger: Logger
  readonly #metrics: DiscoveryMetrics
  readonly #cache: PeerCache
  readonly #dead: DeadProviders
  readonly #provides: ProvideQueue
  readonly #search: ProviderSearch
  readonly #rejoiner: Rejoiner
  readonly #neighbourhood: Neighbourhood
  readonly #links = new Map<string, BootstrapLink>()
  #unsubscribe: Array<() => void> = []
  #forgetting: Promise<void> = Promise.resolve()

  /** Throws an InvalidBootstrapAddressError for the first address that is none. */
  constructor(init: DiscoveryInit, components: DiscoveryComponents) {
    const { node, clock = systemClock, random = Math.random } = components
    const logger = components.logger.child({ module: 'discovery' })
    const metrics = discoveryMetrics(components.metrics)
    const shared = { node, clock, random, logger, metrics }
    this.#node = node
    this.#logger = logger
    this.#metrics = metrics
    this.#cache = new PeerCache({ file: init.peerCacheFile }, shared)
    this.#dead = new DeadProviders(clock)
    this.#provides = new ProvideQueue({ ...shared, records: node.providers })
    this.#search = new ProviderSearch({ ...shared, dead: this.#dead })
    this.#neighbourhood = new Neighbourhood(shared)
    this.#rejoiner = new Rejoiner({ ...shared, cache: this.#cache })
    for (const peer of bootstrapPeers(init.bootstrapAddresses)) {
      if (peer.id !== node.peerId) this.#links.set(peer.id, new BootstrapLink(peer, shared))
    }
  }

  /** Begins to connect and returns; only the file of remembered peers is waited for. The node has to be started. */
  async start(): Promise<void> {
    await this.#cache.load()
    this.#unsubscribe = [
      this.#node.onPeerConnected((peerId) => this.#onConnected(peerId)),
      this.#node.onPeerDisconnected((peerId) => this.#onDisconnected(peerId)),
    ]
    this.#countPeers()
    for (const link of this.#links.values()) link.start()
    this.#rejoiner.start()
    this.#neighbourhood.start()
  }

  /** Ends all walks, provides and dials, and writes down who was connected. To be called before the node stops. */
  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#unsubscribe = []
    const links = [...this.#links.values()].map((link) => link.stop())
    const parts = [this.#search, this.#provides, this.#neighbourhood, this.#rejoiner].map((part) => part.stop())
    await Promise.all([...links, ...parts, this.#forgetting])
  }

  /** Says that this agent has some of `digest`; returns at once, the work is done after `delayMs` and repeated. */
  provide(digest: Digest, delayMs = 0): void {
    this.#provides.add(digest, delayMs)
  }

  /** What `provide` was told to put off is said within `delayMs` from now, which is asked for each. */
  hastenProvides(delayMs: () => number): void {
    this.#provides.hasten(delayMs)
  }

  /** Says it no longer; peers told earlier may ask for up to an hour. */
  unprovide(digest: Digest): void {
    this.#provides.remove(digest)
  }

  /**
   * Up to 20 other peers that hold or are fetching `digest`, each once, as they are found; ends within 5 s. Cheap to
   * ask again: within seconds the same walk answers. Throws the signal's reason when it fires.
   */
  findPeers(digest: Digest, options: AbortOptions = {}): AsyncIterable<PeerRef> {
    return this.#search.find(digest, options)
  }

  /** Takes `peerId` out of what `findPeers` says about `digest` for some minutes: it is gone, or has nothing of it. */
  reportDead(digest: Digest, peerId: string): void {
    this.#dead.report(digest, peerId)
    this.#metrics.deadProviders.inc()
    this.#forgetting = this.#forgetting.then(async () => await this.#forget(digest, peerId))
  }

  async #forget(digest: Digest, peerId: string): Promise<void> {
    try {
      await this.#node.providers.forget(digest, peerId)
    } catch (error) {
      this.#logger.debug({ err: error, peerId }, 'stale provider record could not be dropped')
    }
  }

  #onConnected(peerId: string): void {
    this.#countPeers()
    this.#links.get(peerId)?.onConnected()
    this.#rejoiner.onConnected()
    this.#neighbourhood.onConnected()
    this.#provides.onConnected()
  }

  #onDisconnected(peerId: string): void {
    this.#countPeers()
    this.#links.get(peerId)?.onDisconnected()
    this.#rejoiner.onDisconnected()
    this.#neighbourhood.onDisconnected()
  }

  #countPeers(): void {
    this.#metrics.connectedPeers.set(this.#node.connectedPeers().length)
  }
}

/** The configured peers, each once with all its addresses. */
function bootstrapPeers(texts: readonly string[]): PeerRef[] {
  const addressesById = new Map<string, string[]>()
  for (const text of texts) {
    const peer = parsePeerAddress(text)
    if (peer === undefined || peer.addresses.length === 0) throw new InvalidBootstrapAddressError(text)
    addressesById.set(peer.id, [...(addressesById.get(peer.id) ?? []), ...peer.addresses])
  }
  return [...addressesById].map(([id, addresses]) => ({ id, addresses }))
}
