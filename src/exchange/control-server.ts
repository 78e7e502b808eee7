import type { BlobRef, Clock, Digest, OriginGrant, PeerRef, PeerRole } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { abortable } from '../util/index.ts'
import { PeerClosedError, PeerProtocolError } from './errors.ts'
import type { InboundHandler } from './inbound-lane.ts'
import type { Lane } from './lane.ts'
import { type ExchangeLimits, PROTOCOL_VERSION } from './limits.ts'
import type { ExchangeMessage, FollowMessage, HelloMessage } from './messages.ts'
import type { ExchangeMetrics } from './metrics.ts'
import { Outbox } from './outbox.ts'
import type { ChunkSupply, RemotePeer } from './ports.ts'
import { PublishedFollow } from './published-follow.ts'
import { RateLimit } from './rate-limit.ts'

export interface ControlServerComponents {
  readonly supply: ChunkSupply
  readonly addressesOf: (peerId: string) => Promise<readonly string[]>
  readonly limits: ExchangeLimits
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: ExchangeMetrics
}

/** The publisher's end of a control stream: tells one follower about the blobs it follows and hears what it holds. */
export class ControlServer implements InboundHandler {
  readonly #lane: Lane
  readonly #hello: HelloMessage
  readonly #components: ControlServerComponents
  readonly #outbox: Outbox
  readonly #rate: RateLimit
  readonly #follows = new Map<number, PublishedFollow>()
  readonly #withNews = new Set<PublishedFollow>()
  readonly #closed = new AbortController()
  #work: Promise<void> = Promise.resolve()
  #peer: { readonly role: PeerRole; readonly zone: string } | undefined
  #announcedCount = 0

  constructor(lane: Lane, hello: HelloMessage, components: ControlServerComponents) {
    this.#lane = lane
    this.#hello = hello
    this.#components = components
    this.#rate = new RateLimit(components.limits.controlMessagesPerSecond, components.clock)
    this.#outbox = new Outbox({
      lane,
      clock: components.clock,
      coalesceMs: components.limits.coalesceMs,
      pull: () => this.#nextNews(),
      onSent: () => components.metrics.controlMessages.inc({ direction: 'sent' }),
    })
  }

  onMessage(message: ExchangeMessage): void {
    this.#components.metrics.controlMessages.inc({ direction: 'received' })
    if (!this.#rate.take()) throw new PeerProtocolError('too many control messages')
    if (message.kind === 'hello') return this.#onHello(message)
    if (this.#peer === undefined) throw new PeerProtocolError(`a ${message.kind} before the hello`)
    if (message.kind === 'follow') this.#onFollow(message)
    else if (message.kind === 'unfollow') this.#follows.get(message.follow)?.close()
    else if (message.kind === 'announce') this.#inOrder(() => this.#onAnnounce(message.digests, message.isHeld))
    else if (message.kind === 'mapRequest') this.#inOrder(() => this.#onMapRequest(message.request, message.digest))
    else throw new PeerProtocolError(`a ${message.kind} from a follower`)
  }

  onClosed(): void {
    this.#closed.abort(new PeerClosedError('the follower has left'))
    this.#outbox.stop()
    for (const follow of [...this.#follows.values()]) follow.close()
    if (this.#peer !== undefined) this.#components.supply.departed?.(this.#lane.peerId)
  }

  async finished(): Promise<void> {
    await this.#work
    await this.#outbox.finished()
  }

  #onHello(hello: HelloMessage): void {
    if (this.#peer !== undefined) throw new PeerProtocolError('a second hello')
    if (hello.version !== PROTOCOL_VERSION) throw new PeerClosedError(`the peer speaks version ${hello.version}`)
    this.#peer = { role: hello.role, zone: hello.zone }
    this.#outbox.post(this.#hello)
  }

  #onFollow({ follow: id, ref, origins, layout = '' }: FollowMessage): void {
    if (this.#follows.has(id)) throw new PeerProtocolError(`follow ${id} is taken`)
    if (this.#follows.size >= this.#components.limits.maxFollowsPerPeer)
      return this.#outbox.post({ kind: 'gone', follow: id })
    const follow = new PublishedFollow({
      follow: id,
      onNews: (changed, isUrgent) => this.#onNews(changed, isUrgent),
      onEnded: (ended, isOurs, lastPeers) => this.#onEnded(ended, isOurs, lastPeers),
    })
    this.#follows.set(id, follow)
    this.#inOrder(() => this.#subscribe(follow, ref, origins, layout))
  }

  async #subscribe(
    follow: PublishedFollow,
    ref: BlobRef,
    origins: readonly OriginGrant[],
    layout: string,
  ): Promise<void> {
    try {
      const peer = await this.#remotePeer()
      if (follow.isEnded) return
      const subscription = this.#components.supply.follow(peer, ref, origins, follow, layout)
      if (subscription === undefined) follow.gone()
      else follow.attach(subscription)
    } catch (error) {
      follow.gone()
      throw error
    }
  }

  async #onAnnounce(digests: readonly Digest[], isHeld: boolean): Promise<void> {
    const { limits, logger, supply } = this.#components
    if (isHeld && this.#announcedCount + digests.length > limits.maxAnnouncedPerPeer) {
      logger.warn({ peer: this.#lane.peerId }, 'a peer announces more blobs than it may; the rest is ignored')
      return
    }
    this.#announcedCount = Math.max(0, this.#announcedCount + (isHeld ? digests.length : -digests.length))
    const peer = await this.#remotePeer()
    if (!this.#lane.isClosed) supply.announced(peer, digests, isHeld)
  }

  async #onMapRequest(request: number, digest: Digest): Promise<void> {
    this.#outbox.post({ kind: 'mapReply', request }, await this.#mapOf(digest))
  }

  /** Whoever asked keeps its question open until it is answered, so a map that cannot be read is none. */
  async #mapOf(digest: Digest): Promise<Uint8Array | undefined> {
    const { supply, logger } = this.#components
    try {
      return await abortable((async () => await supply.map(digest))(), this.#closed.signal)
    } catch (error) {
      if (!this.#lane.isClosed) logger.warn({ err: error, digest }, 'a chunk map could not be read')
      return undefined
    }
  }

  /** Asked anew each time: addresses become known only once identify has run, and change. */
  async #remotePeer(): Promise<RemotePeer> {
    const { role, zone } = this.#peer as { role: PeerRole; zone: string }
    const id = this.#lane.peerId
    return { id, role, zone, addresses: await this.#components.addressesOf(id) }
  }

  #onNews(follow: PublishedFollow, isUrgent: boolean): void {
    this.#withNews.add(follow)
    if (isUrgent) this.#outbox.pullNow()
    else this.#outbox.pullSoon()
  }

  #onEnded(follow: PublishedFollow, isOurs: boolean, lastPeers: readonly PeerRef[] | undefined): void {
    this.#follows.delete(follow.follow)
    this.#withNews.delete(follow)
    if (isOurs && lastPeers !== undefined) this.#outbox.post({ kind: 'peers', follow: follow.follow, peers: lastPeers })
    if (isOurs) this.#outbox.post({ kind: 'gone', follow: follow.follow })
  }

  #nextNews(): ExchangeMessage | undefined {
    for (const follow of this.#withNews) {
      const message = follow.take()
      if (message !== undefined) return message
      this.#withNews.delete(follow)
    }
    return undefined
  }

  /** Serves messages one after the other, as they came. What fails here is ours, and the peer hears nothing of it. */
  #inOrder(work: () => Promise<void>): void {
    this.#work = this.#work
      .then(() => (this.#lane.isClosed ? undefined : work()))
      .catch((error: unknown) => this.#components.logger.error({ err: error }, 'a control message could not be served'))
  }
}
