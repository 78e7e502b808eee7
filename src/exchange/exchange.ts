import type { AbortOptions, Clock, Digest, PeerRef, PeerRole } from '../core/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { type Bandwidth, type Buffers, freshBuffers, SingleFlight } from '../util/index.ts'
import { gridLayoutOf, type LayoutOf } from './blob-layout.ts'
import type { ByteChannel } from './carrier.ts'
import { withDeadline } from './deadline.ts'
import { PeerClosedError, PeerProtocolError, PeerStalledError } from './errors.ts'
import type { PeerLink } from './follow-events.ts'
import { InboundPeers } from './inbound-peers.ts'
import { Lane } from './lane.ts'
import type { OpenedLane } from './lane-pool.ts'
import { EXCHANGE_PROTOCOL, Libp2pCarrier, StreamChannel } from './libp2p-carrier.ts'
import { DEFAULT_LIMITS, type ExchangeLimits, PROTOCOL_VERSION } from './limits.ts'
import { Link } from './link.ts'
import type { HelloMessage } from './messages.ts'
import { type ExchangeMetrics, exchangeMetrics } from './metrics.ts'
import { Offenders } from './offenders.ts'
import type { PeerStreams } from './peer-streams.ts'
import { PeerTraffic, type TrafficCount } from './peer-traffic.ts'
import type { ChunkSupply } from './ports.ts'
import type { AttemptOptions } from './tls-attempts.ts'
import { type ExchangeTlsInit, TlsLanes } from './tls-lanes.ts'
import { UploadSlots } from './upload-slots.ts'

export interface ExchangeInit {
  readonly role: PeerRole
  /** Where this node stands, for peers that prefer those nearby. */
  readonly zone?: string
  /** Chunks sent at a time, over all peers. */
  readonly uploadSlots: number
  /** Data lanes opened to one peer. */
  readonly maxLanesPerPeer: number
  readonly limits?: Partial<ExchangeLimits>
  /** Lanes over TLS; without it there are libp2p streams only. */
  readonly tls?: ExchangeTlsInit | undefined
}

/** A connected peer and the bytes that went to and fro. */
export interface PeerSummary extends Readonly<TrafficCount> {
  readonly id: string
  readonly role: PeerRole
  readonly zone: string
}

export interface ExchangeComponents {
  readonly streams: PeerStreams
  readonly supply: ChunkSupply
  /** For the chunks that come; without it each has a buffer of its own. */
  readonly buffers?: Buffers
  /** Where blobs are cut here, for as long as they are open; by size alone unless said. */
  readonly layoutOf?: LayoutOf
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  /** What may be sent to peers; without one there is no limit. */
  readonly uploadBandwidth?: Bandwidth | undefined
}

/** The chunk exchange of one process with all its peers, both as requester and as server. */
export class Exchange {
  readonly #init: ExchangeInit
  readonly #components: ExchangeComponents
  readonly #limits: ExchangeLimits
  readonly #hello: HelloMessage
  readonly #logger: Logger
  readonly #metrics: ExchangeMetrics
  readonly #traffic: PeerTraffic
  readonly #carrier: Libp2pCarrier
  readonly #lanes: TlsLanes
  readonly #inbound: InboundPeers
  readonly #offenders: Offenders
  readonly #connecting = new SingleFlight<Link>()
  readonly #links = new Map<string, Link>()
  readonly #ending = new Set<Promise<void>>()
  #holdings: () => readonly Digest[] = () => []
  #isStopped = false
  #unlisten: () => void = () => undefined

  constructor(init: ExchangeInit, components: ExchangeComponents) {
    this.#init = init
    this.#components = components
    this.#limits = { ...DEFAULT_LIMITS, ...init.limits }
    this.#logger = components.logger.child({ module: 'exchange' })
    this.#metrics = exchangeMetrics(components.metrics)
    this.#traffic = new PeerTraffic(this.#metrics.traffic)
    this.#carrier = new Libp2pCarrier(components.streams)
    this.#offenders = new Offenders(this.#limits)
    this.#lanes = this.#makeLanes()
    this.#hello = helloOf(init, this.#lanes)
    this.#inbound = this.#makeInbound()
  }

  /** Begins to accept streams. */
  async start(): Promise<void> {
    const { streams } = this.#components
    this.#unlisten = streams.onPeerDisconnected((peerId) => {
      this.#drop(peerId, new PeerClosedError('the peer has disconnected'))
      this.#traffic.forget(peerId)
    })
    await this.#lanes.start()
    // As many lanes again, since streams being reset overlap with their successors, and the control streams.
    await streams.handle(EXCHANGE_PROTOCOL, (stream, peerId) => this.#onChannel(new StreamChannel(stream, peerId)), {
      maxInboundStreams: this.#limits.maxInboundLanesPerPeer * 2 + 2,
      maxOutboundStreams: this.#init.maxLanesPerPeer * 2 + 2,
    })
  }

  /** Ends all links and streams and waits for what was under way. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#unlisten()
    await this.#components.streams.unhandle(EXCHANGE_PROTOCOL)
    await this.#lanes.stop()
    const reason = new PeerClosedError('this process stops')
    await this.#connecting.stop(reason)
    for (const link of [...this.#links.values()]) link.abort(reason)
    await this.#inbound.stop()
    await Promise.all(this.#ending)
  }

  /** The link to a peer, opened unless it is up. Throws what the node's `connect` throws, or as `Following.request` does. */
  async connect(peer: PeerRef, options: AbortOptions): Promise<PeerLink> {
    if (this.#isStopped) throw new PeerClosedError('this process stops')
    const link = this.#links.get(peer.id)
    if (link !== undefined) return link
    return await this.#connecting.run(peer.id, options, (signal) => this.#open(peer, signal))
  }

  /** The port where peers open lanes over TLS, while it is listened on. */
  get bulkPort(): number | undefined {
    return this.#lanes.port
  }

  /** The links that are up. */
  links(): readonly PeerLink[] {
    return [...this.#links.values()]
  }

  /** Every peer that bytes were exchanged with on its present connection. What only asks of us counts as an agent until we ask of it. */
  traffic(): PeerSummary[] {
    return [...this.#traffic.entries()].map(([id, { bytesIn, bytesOut }]) => {
      const link = this.#links.get(id)
      return { id, role: link?.role ?? 'agent', zone: link?.zone ?? '', bytesIn, bytesOut }
    })
  }

  /** Sets how a tracker that we connect to is told what this process holds. */
  setHoldings(holdings: () => readonly Digest[]): void {
    this.#holdings = holdings
  }

  /** Tells all connected trackers that some of each of `digests` is held now. */
  announce(digests: readonly Digest[]): void {
    this.#tellTrackers(digests, true)
  }

  /** Tells all connected trackers that nothing of any of `digests` is held any more. */
  withdraw(digests: readonly Digest[]): void {
    this.#tellTrackers(digests, false)
  }

  /** Drops a peer and keeps it away for a time that grows with each offence; for wrong bytes, which only their reader can tell. */
  punish(peerId: string, error: Error): void {
    const banMs = this.#offenders.strike(peerId)
    this.#metrics.bans.inc()
    this.#metrics.failed(error)
    this.#logger.warn({ err: error, peer: peerId, banMs }, 'a peer is banned')
    this.#drop(peerId, error)
    this.#components.streams.ban(peerId, banMs)
  }

  async #open(peer: PeerRef, signal: AbortSignal): Promise<Link> {
    const { clock, streams } = this.#components
    const makeError = () => new PeerStalledError('the peer could not be connected in time')
    return await withDeadline({ clock, timeoutMs: this.#limits.connectTimeoutMs, signal, makeError }, async (inner) => {
      await streams.connect(peer, { signal: inner })
      const link = await Link.open(this.#linkInit(peer.id), { signal: inner })
      if (inner.aborted) {
        link.abort(new PeerClosedError('nobody waits for the link'))
        throw inner.reason
      }
      this.#adopt(link)
      return link
    })
  }

  #linkInit(peerId: string) {
    return {
      hello: this.#hello,
      maxLanes: this.#init.maxLanesPerPeer,
      limits: this.#limits,
      clock: this.#components.clock,
      metrics: this.#metrics,
      buffers: this.#components.buffers ?? freshBuffers,
      layoutOf: this.#components.layoutOf ?? gridLayoutOf,
      openControl: async (options: AbortOptions) =>
        new Lane(await this.#carrier.open(peerId, options), this.#traffic.of(peerId)),
      openFastControl: async (bulkPort: number, options: AbortOptions) => {
        const channel = await this.#lanes.openFast(peerId, bulkPort, options)
        return channel === undefined ? undefined : new Lane(channel, this.#traffic.of(peerId))
      },
      openLane: async (bulkPort: number | undefined, options: AttemptOptions) =>
        await this.#openLane(peerId, bulkPort, options),
      onClosed: (error: Error | undefined) => this.#onLinkClosed(peerId, error),
      onMoved: () => this.#tellHoldings(peerId),
    }
  }

  async #openLane(peerId: string, bulkPort: number | undefined, options: AttemptOptions): Promise<OpenedLane> {
    const laneOf = (opened: ByteChannel) => new Lane(opened, this.#traffic.of(peerId))
    const { channel, isFast, faster } = await this.#lanes.open(peerId, bulkPort, options)
    const later = faster?.then((late) => (late === undefined ? undefined : laneOf(late)))
    return { lane: laneOf(channel), isFast, faster: later }
  }

  #adopt(link: Link): void {
    if (link.isClosed) throw new PeerClosedError('the peer closed its control stream')
    this.#links.set(link.id, link)
    this.#tellHoldings(link.id)
  }

  #tellHoldings(peerId: string): void {
    const link = this.#links.get(peerId)
    if (link?.role === 'tracker') link.announce(this.#holdings(), true)
  }

  #onLinkClosed(peerId: string, error: Error | undefined): void {
    const link = this.#links.get(peerId)
    // A link that nobody waited for any more may end while its successor is up.
    if (link?.isClosed === true) {
      this.#links.delete(peerId)
      const ending = link.finished().finally(() => this.#ending.delete(ending))
      this.#ending.add(ending)
    }
    if (error instanceof PeerProtocolError) this.punish(peerId, error)
  }

  #onChannel(channel: ByteChannel): void {
    if (this.#isStopped) channel.abort(new PeerClosedError('this process stops'))
    else this.#inbound.accept(channel)
  }

  #drop(peerId: string, error: Error): void {
    this.#links.get(peerId)?.abort(new PeerClosedError('the peer was dropped', error))
    this.#inbound.dropPeer(peerId, new PeerClosedError('the peer was dropped', error))
  }

  #tellTrackers(digests: readonly Digest[], isHeld: boolean): void {
    for (const link of this.#links.values()) if (link.role === 'tracker') link.announce(digests, isHeld)
  }

  #makeLanes(): TlsLanes {
    const { clock, streams } = this.#components
    return new TlsLanes(this.#init.tls, {
      streams,
      libp2p: this.#carrier,
      limits: this.#limits,
      clock,
      metrics: this.#metrics,
      logger: this.#logger,
      onChannel: (channel) => this.#onChannel(channel),
    })
  }

  #makeInbound(): InboundPeers {
    const { clock, streams, supply, layoutOf = gridLayoutOf } = this.#components
    const limits = this.#limits
    const slots = new UploadSlots(
      { slots: this.#init.uploadSlots, maxWaiting: limits.maxWaitingUploads, maxWaitMs: limits.maxUploadWaitMs },
      clock,
    )
    this.#metrics.watchUploadSlots(() => slots.inUse)
    return new InboundPeers(
      { hello: this.#hello, limits, onBreach: (peerId, error) => this.punish(peerId, error) },
      {
        supply,
        layoutOf,
        addressesOf: (peerId) => streams.addressesOf(peerId),
        limits,
        clock,
        logger: this.#logger,
        metrics: this.#metrics,
        trafficOf: (peerId: string) => this.#traffic.of(peerId),
        slots,
        bandwidth: this.#components.uploadBandwidth,
      },
    )
  }
}

/** What this side says first; the port is known once it is listened on. */
function helloOf({ role, zone = '' }: ExchangeInit, lanes: TlsLanes): HelloMessage {
  return {
    kind: 'hello',
    version: PROTOCOL_VERSION,
    role,
    zone,
    get bulkPort() {
      return lanes.port
    },
  }
}
