import type { AbortOptions, PeerRef } from '../core/index.ts'
import type { Exchange } from '../exchange/index.ts'
import type { P2pNode } from '../p2p/index.ts'
import type { PeerLink, PeerNetwork } from '../scheduler/index.ts'
import type { Logger } from '../telemetry/index.ts'

/** First ban of a peer that sent wrong bytes; long enough to finish a pull without it. */
const FIRST_BAN_MS = 60_000

/** Longest ban, reached after six offences: a node that was repaired comes back within the hour. */
const MAX_BAN_MS = 3_600_000

/** Offenders remembered; the oldest is forgiven first. */
const MAX_OFFENDERS = 1_000

export interface ExchangeNetworkComponents {
  readonly node: P2pNode
  /** The exchange is made after the scheduler, which it serves; hence the call. */
  readonly exchange: () => Exchange
  readonly logger: Logger
}

/** The scheduler's view of the peers: exchange links, the configured trackers, and bans that grow. */
export class ExchangeNetwork implements PeerNetwork {
  readonly #trackers: readonly PeerRef[]
  readonly #components: ExchangeNetworkComponents
  readonly #offences = new Map<string, number>()

  constructor(trackers: readonly PeerRef[], components: ExchangeNetworkComponents) {
    this.#trackers = trackers.filter(({ id }) => id !== components.node.peerId)
    this.#components = components
  }

  async connect(peer: PeerRef, options: AbortOptions): Promise<PeerLink> {
    return await this.#components.exchange().connect(peer, options)
  }

  trackers(): readonly PeerRef[] {
    return this.#trackers
  }

  neighbours(): readonly PeerRef[] {
    const trackers = new Set(this.#trackers.map(({ id }) => id))
    const agents = this.#components.node.connectedPeers().filter((id) => !trackers.has(id))
    return agents.map((id) => ({ id, addresses: [] }))
  }

  punish(peerId: string, reason: string): void {
    const offences = (this.#offences.get(peerId) ?? 0) + 1
    this.#offences.delete(peerId)
    this.#offences.set(peerId, offences)
    for (const oldest of this.#offences.keys()) {
      if (this.#offences.size <= MAX_OFFENDERS) break
      this.#offences.delete(oldest)
    }
    const durationMs = Math.min(MAX_BAN_MS, FIRST_BAN_MS * 2 ** (offences - 1))
    this.#components.logger.warn({ peer: peerId, reason, offences, durationMs }, 'peer banned')
    this.#components.node.ban(peerId, durationMs)
  }
}
