import { type Clock, isAbort, type PeerRef, type Random, type Timer } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { Backoff, type BackoffInit } from './backoff.ts'
import type { DiscoveryNode } from './discovery-node.ts'
import type { DiscoveryMetrics } from './metrics.ts'

/** From soon, since a rollout may be waiting, to twice a minute, which a bootstrap peer bears from a thousand agents. */
const REDIAL_BACKOFF: BackoffInit = { minMs: 500, maxMs: 30_000 }

/** A connection that ends sooner was refused by the other end after the handshake, and the waits go on growing. */
const STABLE_MS = 10_000

/** A failure is worth a line when it is the first of its kind; the rest are counted. */
const LOG_EVERY = 20

export interface BootstrapLinkComponents {
  readonly node: DiscoveryNode
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: DiscoveryMetrics
}

/**
 * Keeps one configured peer connected: waiting -> dialling -> connected, and back to waiting when the dial fails or the
 * connection is lost. libp2p itself dials a bootstrap peer once. Owns its timer and its dial.
 */
export class BootstrapLink {
  readonly peer: PeerRef
  readonly #components: BootstrapLinkComponents
  readonly #backoff: Backoff
  readonly #stopping = new AbortController()
  #timer: Timer | undefined
  #dial: Promise<void> | undefined
  #failures = 0
  #connectedAtMs = 0

  constructor(peer: PeerRef, components: BootstrapLinkComponents) {
    this.peer = peer
    this.#components = components
    this.#backoff = new Backoff(REDIAL_BACKOFF, components.random)
  }

  start(): void {
    this.#beginDial()
  }

  /** To be told when this peer's first connection is there, whoever made it. */
  onConnected(): void {
    this.#timer?.clear()
    this.#timer = undefined
    this.#failures = 0
    this.#connectedAtMs = this.#components.clock.now()
  }

  /** To be told when this peer's last connection is gone. */
  onDisconnected(): void {
    if (this.#components.clock.now() - this.#connectedAtMs >= STABLE_MS) this.#backoff.reset()
    if (this.#dial === undefined) this.#wait()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#timer?.clear()
    await this.#dial
  }

  #wait(): void {
    if (this.#stopping.signal.aborted) return
    this.#timer?.clear()
    this.#timer = this.#components.clock.after(this.#backoff.next(), () => this.#beginDial())
  }

  #beginDial(): void {
    if (this.#dial !== undefined || this.#stopping.signal.aborted) return
    this.#dial = this.#tryDial().finally(() => {
      this.#dial = undefined
      if (!this.#components.node.isConnected(this.peer.id)) this.#wait()
    })
  }

  async #tryDial(): Promise<void> {
    const { node, metrics } = this.#components
    try {
      await node.connect(this.peer, { signal: this.#stopping.signal })
      metrics.bootstrapDials.inc({ result: 'connected' })
      await node.protect(this.peer.id)
    } catch (error) {
      if (isAbort(error)) return
      metrics.bootstrapDials.inc({ result: 'failed' })
      this.#logFailure(error)
    }
  }

  #logFailure(error: unknown): void {
    if (this.#failures % LOG_EVERY === 0) {
      this.#components.logger.warn({ peerId: this.peer.id, err: error }, 'bootstrap peer cannot be reached, will retry')
    }
    this.#failures++
  }
}
