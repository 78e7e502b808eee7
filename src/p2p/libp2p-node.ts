import type { Connection, PeerId, Stream } from '@libp2p/interface'
import { createLibp2p, type Libp2p } from 'libp2p'
import { type AbortOptions, type PeerRef, systemClock } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { InvalidPeerError, ListenError, PeerRefusedError, PeerUnreachableError, StreamRefusedError } from './errors.ts'
import { Gatekeeper } from './gatekeeper.ts'
import { peerIdOf } from './identity.ts'
import { libp2pOptions, type NodeServices } from './libp2p-options.ts'
import { type P2pMetrics, p2pMetrics } from './metrics.ts'
import type { P2pNode, P2pNodeComponents, P2pNodeInit, StreamHandler, StreamLimits } from './p2p-node.ts'
import { hostOf, multiaddrsOf, toPeerId } from './peer-address.ts'
import { DhtProviderRecords, type ProviderRecords } from './provider-records.ts'

/** Every peer of a cluster of a few hundred nodes at once; beyond it the connections of least use are closed. */
const DEFAULT_MAX_CONNECTIONS = 512

/**
 * A LAN peer answers within milliseconds, one with twenty handshakes to make on two busy cores within three seconds (seen);
 * after this a source is better replaced than waited for.
 */
const DEFAULT_DIAL_TIMEOUT_MS = 6_000

/** Opening a stream on a live connection is a round trip or two. */
const STREAM_TIMEOUT_MS = 5_000

/** libp2p closes connections within half a second each; past this the process is better off leaving. */
const STOP_TIMEOUT_MS = 5_000

/** A walk to our own neighbours; as kad-dht allows for its own. */
const LOOK_TIMEOUT_MS = 30_000

/** Value of the tag that keeps a protected peer out of connection pruning; anything above the DHT's own 50 does. */
const PROTECTED_VALUE = 100

/** Makes a node that is not started yet. */
export async function createP2pNode(init: P2pNodeInit, components: P2pNodeComponents): Promise<P2pNode> {
  const gatekeeper = new Gatekeeper({ admit: init.admit }, components.clock ?? systemClock)
  const dialTimeoutMs = init.dialTimeoutMs ?? DEFAULT_DIAL_TIMEOUT_MS
  const options = libp2pOptions({
    identity: init.identity,
    clusterKey: init.clusterKey,
    gatekeeper,
    listenAddresses: init.listenAddresses,
    announceAddresses: init.announceAddresses ?? [],
    maxConnections: init.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
    dialTimeoutMs,
    recordLife: init.recordLife,
  })
  return new Libp2pNode(
    { peerId: peerIdOf(init.identity), dialTimeoutMs, listenAddresses: init.listenAddresses },
    {
      libp2p: await createLibp2p(options),
      gatekeeper,
      logger: components.logger.child({ module: 'p2p' }),
      metrics: p2pMetrics(components.metrics),
    },
  )
}

interface Libp2pNodeInit {
  readonly peerId: string
  readonly dialTimeoutMs: number
  readonly listenAddresses: readonly string[]
}

interface Libp2pNodeComponents {
  readonly libp2p: Libp2p<NodeServices>
  readonly gatekeeper: Gatekeeper
  readonly logger: Logger
  readonly metrics: P2pMetrics
}

class Libp2pNode implements P2pNode {
  readonly peerId: string
  readonly providers: ProviderRecords
  readonly #dialTimeoutMs: number
  readonly #listenAddresses: readonly string[]
  readonly #libp2p: Libp2p<NodeServices>
  readonly #gatekeeper: Gatekeeper
  readonly #logger: Logger
  readonly #metrics: P2pMetrics

  constructor(init: Libp2pNodeInit, components: Libp2pNodeComponents) {
    this.peerId = init.peerId
    this.providers = new DhtProviderRecords(components.libp2p.services.dht)
    this.#dialTimeoutMs = init.dialTimeoutMs
    this.#listenAddresses = init.listenAddresses
    this.#libp2p = components.libp2p
    this.#gatekeeper = components.gatekeeper
    this.#logger = components.logger
    this.#metrics = components.metrics
  }

  async start(): Promise<void> {
    try {
      await this.#libp2p.start()
    } catch (error) {
      throw new ListenError(this.#listenAddresses, error)
    }
    this.#logger.info({ peerId: this.peerId, addresses: this.addresses() }, 'peer is listening')
  }

  async stop(): Promise<void> {
    const deadline = AbortSignal.timeout(STOP_TIMEOUT_MS)
    const isLate = new Promise<true>((resolve) => deadline.addEventListener('abort', () => resolve(true)))
    if ((await Promise.race([this.#libp2p.stop(), isLate])) === true) this.#logger.warn('libp2p did not stop in time')
  }

  addresses(): readonly string[] {
    return this.#libp2p.getMultiaddrs().map((address) => address.toString())
  }

  async connect(peer: PeerRef, options: AbortOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    const id = this.#otherPeer(peer.id)
    if (this.isConnected(peer.id)) return
    if (this.#gatekeeper.refuses(peer.id)) throw new PeerRefusedError(peer.id)
    const startMs = performance.now()
    try {
      const signal = withTimeout(options.signal, this.#dialTimeoutMs)
      const multiaddrs = multiaddrsOf(peer)
      if (multiaddrs.length > 0) await this.#libp2p.peerStore.merge(id, { multiaddrs }, { signal })
      await this.#libp2p.dial(id, { signal })
    } catch (error) {
      options.signal?.throwIfAborted()
      this.#metrics.dials.inc({ result: 'failed' })
      throw new PeerUnreachableError(peer.id, error)
    }
    this.#metrics.dials.inc({ result: 'connected' })
    this.#metrics.dialSeconds.observe((performance.now() - startMs) / 1000)
  }

  disconnect(peerId: string): void {
    this.#abortConnections(peerId, 'disconnected')
  }

  isConnected(peerId: string): boolean {
    return this.#connections(peerId).some((connection) => connection.status === 'open')
  }

  connectedPeers(): readonly string[] {
    return this.#libp2p.getPeers().map((id) => id.toString())
  }

  async addressesOf(peerId: string): Promise<readonly string[]> {
    try {
      const { addresses } = await this.#libp2p.peerStore.get(toPeerId(peerId))
      return addresses.map(({ multiaddr }) => multiaddr.toString())
    } catch (error) {
      if (error instanceof Error && error.name === 'NotFoundError') return []
      throw error
    }
  }

  async hostsOf(peerId: string): Promise<readonly string[]> {
    const live = this.#connections(peerId).filter(({ status }) => status === 'open')
    const { outbound = [], inbound = [] } = Object.groupBy(live, ({ direction }) => direction)
    const connected = [...outbound, ...inbound].map(({ remoteAddr }) => remoteAddr)
    const said = multiaddrsOf({ id: peerId, addresses: await this.addressesOf(peerId) })
    return [...new Set([...connected, ...said].map(hostOf).filter((host) => host !== undefined))]
  }

  async openStream(peerId: string, protocol: string, options: AbortOptions = {}): Promise<Stream> {
    await this.connect({ id: peerId, addresses: [] }, options)
    try {
      const signal = withTimeout(options.signal, STREAM_TIMEOUT_MS)
      return await this.#libp2p.dialProtocol(toPeerId(peerId), protocol, { signal })
    } catch (error) {
      options.signal?.throwIfAborted()
      throw new StreamRefusedError(peerId, protocol, error)
    }
  }

  async handle(protocol: string, handler: StreamHandler, limits: StreamLimits): Promise<void> {
    const { maxInboundStreams, maxOutboundStreams } = limits
    await this.#libp2p.handle(
      protocol,
      async (stream, connection) => await handler(stream, connection.remotePeer.toString()),
      { maxInboundStreams, maxOutboundStreams },
    )
  }

  async unhandle(protocol: string): Promise<void> {
    await this.#libp2p.unhandle(protocol)
  }

  onPeerConnected(listener: (peerId: string) => void): () => void {
    return this.#listen('peer:connect', listener)
  }

  onPeerDisconnected(listener: (peerId: string) => void): () => void {
    return this.#listen('peer:disconnect', listener)
  }

  ban(peerId: string, durationMs: number): void {
    this.#gatekeeper.ban(peerId, durationMs)
    this.#metrics.bans.inc()
    this.#logger.warn({ peerId, durationMs }, 'peer banned')
    this.#abortConnections(peerId, 'banned')
  }

  isBanned(peerId: string): boolean {
    return this.#gatekeeper.isBanned(peerId)
  }

  async protect(peerId: string): Promise<void> {
    await this.#libp2p.peerStore.merge(toPeerId(peerId), { tags: { 'shoal-protected': { value: PROTECTED_VALUE } } })
  }

  async lookAround(options: AbortOptions = {}): Promise<void> {
    const signal = withTimeout(options.signal, LOOK_TIMEOUT_MS)
    const walk = this.#libp2p.services.dht.getClosestPeers(toPeerId(this.peerId).toMultihash().bytes, { signal })
    for await (const _event of walk) {
      // What counts is whom the walk meets.
    }
  }

  async ping(peerId: string, options: AbortOptions = {}): Promise<number> {
    await this.connect({ id: peerId, addresses: [] }, options)
    try {
      const signal = withTimeout(options.signal, STREAM_TIMEOUT_MS)
      return await this.#libp2p.services.ping.ping(toPeerId(peerId), { signal })
    } catch (error) {
      options.signal?.throwIfAborted()
      throw new StreamRefusedError(peerId, 'ping', error)
    }
  }

  #otherPeer(peerId: string): PeerId {
    if (peerId === this.peerId) throw new InvalidPeerError(peerId, 'is this node itself')
    return toPeerId(peerId)
  }

  #connections(peerId: string): Connection[] {
    return this.#libp2p.getConnections(toPeerId(peerId))
  }

  #abortConnections(peerId: string, reason: string): void {
    for (const connection of [...this.#connections(peerId)]) connection.abort(new Error(reason))
  }

  #listen(event: 'peer:connect' | 'peer:disconnect', listener: (peerId: string) => void): () => void {
    const onEvent = (fired: CustomEvent<PeerId>): void => listener(fired.detail.toString())
    this.#libp2p.addEventListener(event, onEvent)
    return () => this.#libp2p.removeEventListener(event, onEvent)
  }
}

function withTimeout(signal: AbortSignal | undefined, timeoutMs: number): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs)
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout])
}
