import type { Clock, Timer } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import type { DiscoveryNode } from './discovery-node.ts'

/**
 * When to look around after the first connection. Soon, but a new neighbour takes a few hundred milliseconds to get
 * into the routing table; and again, since a cluster that starts at once has met only its bootstrap peers at first.
 */
const LOOKS_AFTER_MS = [500, 1_500, 5_000, 15_000] as const

/** A look is a walk of some ten messages; what it has not met by then it meets next time. */
const LOOK_TIMEOUT_MS = 10_000

export interface NeighbourhoodComponents {
  readonly node: DiscoveryNode
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Gets to know other peers than the first one: alone -> looking -> settled. kad-dht by itself looks for neighbours once
 * at its start, when nobody is connected yet, and then every five minutes: all peers would hang on their bootstrap peer
 * and be alone without it. Owns its timer and its look.
 */
export class Neighbourhood {
  readonly #components: NeighbourhoodComponents
  readonly #stopping = new AbortController()
  #isAlone = true
  #timer: Timer | undefined
  #look: Promise<void> = Promise.resolve()

  constructor(components: NeighbourhoodComponents) {
    this.#components = components
  }

  start(): void {
    if (this.#components.node.connectedPeers().length > 0) this.onConnected()
  }

  /** To be told of each peer's first connection. */
  onConnected(): void {
    if (!this.#isAlone) return
    this.#isAlone = false
    this.#lookLater(0)
  }

  /** To be told when a peer's last connection is gone. */
  onDisconnected(): void {
    if (this.#components.node.connectedPeers().length > 0) return
    this.#isAlone = true
    this.#timer?.clear()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#timer?.clear()
    await this.#look
  }

  #lookLater(turn: number): void {
    const delayMs = LOOKS_AFTER_MS[turn]
    if (delayMs === undefined || this.#stopping.signal.aborted) return
    this.#timer?.clear()
    this.#timer = this.#components.clock.after(delayMs, () => {
      this.#look = this.#lookAround()
      this.#lookLater(turn + 1)
    })
  }

  async #lookAround(): Promise<void> {
    const { node, clock, logger } = this.#components
    const deadline = new AbortController()
    const timer = clock.after(LOOK_TIMEOUT_MS, () => deadline.abort())
    try {
      await node.lookAround({ signal: AbortSignal.any([this.#stopping.signal, deadline.signal]) })
    } catch (error) {
      if (!this.#stopping.signal.aborted) logger.debug({ err: error }, 'looking for neighbours failed')
    } finally {
      timer.clear()
    }
  }
}
