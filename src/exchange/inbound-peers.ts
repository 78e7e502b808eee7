import type { Clock } from '../core/index.ts'
import type { ByteChannel } from './carrier.ts'
import { ControlServer, type ControlServerComponents } from './control-server.ts'
import { PeerClosedError, PeerProtocolError } from './errors.ts'
import { type InboundHandler, InboundLane } from './inbound-lane.ts'
import { Lane, type LaneTraffic } from './lane.ts'
import { LaneServer, type LaneServerComponents } from './lane-server.ts'
import type { ExchangeLimits } from './limits.ts'
import type { ExchangeMessage, HelloMessage } from './messages.ts'

export interface InboundPeersInit {
  readonly hello: HelloMessage
  readonly limits: ExchangeLimits
  /** A peer broke the protocol on a stream it opened. */
  readonly onBreach: (peerId: string, error: PeerProtocolError) => void
}

export interface InboundPeersComponents extends ControlServerComponents, LaneServerComponents {
  readonly clock: Clock
  readonly trafficOf: (peerId: string) => LaneTraffic
}

/** The streams that one peer opened to us. */
interface InboundPeer {
  readonly lanes: Set<InboundLane>
  control: InboundLane | undefined
}

/** Accepts the streams that peers open, tells control streams from data lanes by their first message, and bounds both. */
export class InboundPeers {
  readonly #init: InboundPeersInit
  readonly #components: InboundPeersComponents
  readonly #peers = new Map<string, InboundPeer>()
  readonly #ending = new Set<Promise<void>>()

  constructor(init: InboundPeersInit, components: InboundPeersComponents) {
    this.#init = init
    this.#components = components
  }

  /** Serves a stream until it ends. */
  accept(channel: ByteChannel): void {
    const peer = this.#peerOf(channel.peerId)
    const lane = new Lane(channel, this.#components.trafficOf(channel.peerId))
    const inbound = new InboundLane({
      lane,
      handlerFor: (first) => this.#handlerFor(peer, inbound, first),
      onClosed: (error) => this.#onClosed(peer, inbound, error),
    })
    peer.lanes.add(inbound)
    // One more for the control stream, and one for its successor.
    if (peer.lanes.size > this.#init.limits.maxInboundLanesPerPeer + 2)
      lane.abort(new PeerClosedError('too many streams'))
    else this.#expectFirstMessage(inbound)
  }

  /** Ends all streams of a peer that is gone or banned. */
  dropPeer(peerId: string, error: Error): void {
    for (const { lane } of [...(this.#peers.get(peerId)?.lanes ?? [])]) lane.abort(error)
  }

  /** Ends all streams and waits for what was being served. */
  async stop(): Promise<void> {
    for (const peerId of [...this.#peers.keys()]) this.dropPeer(peerId, new PeerClosedError('this process stops'))
    await Promise.all(this.#ending)
  }

  #peerOf(peerId: string): InboundPeer {
    const known = this.#peers.get(peerId)
    if (known !== undefined) return known
    const peer: InboundPeer = { lanes: new Set(), control: undefined }
    this.#peers.set(peerId, peer)
    return peer
  }

  #handlerFor(peer: InboundPeer, inbound: InboundLane, first: ExchangeMessage): InboundHandler {
    if (first.kind === 'want') return new LaneServer(inbound.lane, this.#components)
    if (first.kind !== 'hello') throw new PeerProtocolError(`a stream that begins with a ${first.kind}`)
    // A peer that has lost its end opens another; whatever the old one followed is asked for anew.
    peer.control?.lane.abort(new PeerClosedError('the peer opened another control stream'))
    peer.control = inbound
    return new ControlServer(inbound.lane, this.#init.hello, this.#components)
  }

  #expectFirstMessage(inbound: InboundLane): void {
    this.#components.clock.after(this.#init.limits.helloTimeoutMs, () => {
      if (!inbound.hasBegun) inbound.lane.abort(new PeerClosedError('the peer opened a stream and said nothing'))
    })
  }

  #onClosed(peer: InboundPeer, inbound: InboundLane, error: Error | undefined): void {
    const { peerId } = inbound.lane
    peer.lanes.delete(inbound)
    if (peer.control === inbound) peer.control = undefined
    if (peer.lanes.size === 0 && this.#peers.get(peerId) === peer) this.#peers.delete(peerId)
    const ending = inbound.finished().finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
    if (error instanceof PeerProtocolError) this.#init.onBreach(peerId, error)
  }
}
