import { type Clock, isAbort, type PeerRef, type Random, type Timer } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { Backoff, type BackoffInit } from './backoff.ts'
import type { DiscoveryNode } from './discovery-node.ts'
import type { DiscoveryMetrics } from './metrics.ts'
import type { PeerCache } from './peer-cache.ts'

/** Remembered peers called at once: one that lives is enough, and the DHT finds the rest. */
const PEERS_PER_ROUND = 4

/** From soon to twice a minute, as for bootstrap peers. */
const ROUND_BACKOFF: BackoffInit = { minMs: 1_000, maxMs: 30_000 }

/** After a connection the peer's own word of its addresses needs a moment (identify), and a starting swarm connects in bursts. */
const NOTE_DELAY_MS = 2_000

/** How often "last seen" is brought up to date while nothing else happens. */
const NOTE_INTERVAL_MS = 5 * 60_000

export interface RejoinerComponents {
  readonly node: DiscoveryNode
  readonly cache: PeerCache
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: DiscoveryMetrics
}

/**
 * Finds the way back into the swarm through peers of earlier: calls some when it starts and, while alone, again and
 * again; notes who is connected for the next time. Owns its timers and rounds.
 */
export class Rejoiner {
  readonly #components: RejoinerComponents
  readonly #backoff: Backoff
  readonly #stopping = new AbortController()
  #roundTimer: Timer | undefined
  #noteTimer: Timer | undefined
  #isNoteSoon = false
  #round: Promise<void> | undefined
  #noting: Promise<void> = Promise.resolve()

  constructor(components: RejoinerComponents) {
    this.#components = components
    this.#backoff = new Backoff(ROUND_BACKOFF, components.random)
  }

  start(): void {
    this.#beginRound()
    this.#noteIn(NOTE_INTERVAL_MS)
  }

  /** To be told of each peer's first connection. */
  onConnected(): void {
    this.#roundTimer?.clear()
    if (this.#isNoteSoon) return
    this.#isNoteSoon = true
    this.#noteIn(NOTE_DELAY_MS)
  }

  /** To be told when a peer's last connection is gone. */
  onDisconnected(): void {
    if (this.#isAlone() && this.#round === undefined) this.#wait()
  }

  /** Writes down who is connected now; ends once that is on disk. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#roundTimer?.clear()
    this.#noteTimer?.clear()
    await this.#round
    await this.#noting
    await this.#note()
  }

  #isAlone(): boolean {
    return this.#components.node.connectedPeers().length === 0
  }

  #wait(): void {
    if (this.#stopping.signal.aborted) return
    this.#roundTimer?.clear()
    this.#roundTimer = this.#components.clock.after(this.#backoff.next(), () => this.#beginRound())
  }

  #beginRound(): void {
    if (this.#round !== undefined || this.#stopping.signal.aborted) return
    const { cache, node } = this.#components
    const isWanted = (peerId: string): boolean => peerId !== node.peerId && !node.isConnected(peerId)
    this.#round = this.#callAll(cache.pick(PEERS_PER_ROUND, isWanted))
  }

  async #callAll(peers: readonly PeerRef[]): Promise<void> {
    await Promise.all(peers.map((peer) => this.#call(peer)))
    this.#round = undefined
    if (this.#isAlone()) this.#wait()
  }

  async #call(peer: PeerRef): Promise<void> {
    const { node, cache, metrics, logger } = this.#components
    try {
      await node.connect(peer, { signal: this.#stopping.signal })
      metrics.rememberedDials.inc({ result: 'connected' })
    } catch (error) {
      if (isAbort(error)) return
      cache.demote(peer.id)
      metrics.rememberedDials.inc({ result: 'failed' })
      logger.debug({ peerId: peer.id, err: error }, 'remembered peer cannot be reached')
    }
  }

  #noteIn(delayMs: number): void {
    if (this.#stopping.signal.aborted) return
    this.#noteTimer?.clear()
    this.#noteTimer = this.#components.clock.after(delayMs, () => {
      this.#isNoteSoon = false
      // Who is still connected was let in; a peer that refuses us after the handshake must not be called every second.
      if (!this.#isAlone()) this.#backoff.reset()
      this.#noting = this.#note()
      this.#noteIn(NOTE_INTERVAL_MS)
    })
  }

  async #note(): Promise<void> {
    const { node, cache, logger } = this.#components
    try {
      for (const id of node.connectedPeers()) cache.remember({ id, addresses: await node.addressesOf(id) })
      await cache.save()
    } catch (error) {
      logger.warn({ err: error }, 'connected peers could not be noted')
    }
  }
}
