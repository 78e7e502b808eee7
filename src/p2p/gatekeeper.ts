import type { ConnectionGater, PeerId } from '@libp2p/interface'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/index.ts'

/** More peers than any cluster has; past it the bans used longest ago are forgotten. */
const MAX_BANS = 10_000

export interface GatekeeperInit {
  /** Which peers may connect at all; everyone who has the cluster key when absent. */
  readonly admit?: ((peerId: string) => boolean) | undefined
}

/** Decides whom a connection may be made to or taken from. Owns the bans. */
export class Gatekeeper {
  readonly #clock: Clock
  readonly #admit: (peerId: string) => boolean
  readonly #bannedUntilMs = new LRUCache<string, number>({ max: MAX_BANS })

  constructor(init: GatekeeperInit, clock: Clock) {
    this.#clock = clock
    this.#admit = init.admit ?? (() => true)
  }

  /** Bans `peerId` from now on for `durationMs`; a ban that already lasts longer stays. */
  ban(peerId: string, durationMs: number): void {
    const untilMs = this.#clock.now() + durationMs
    this.#bannedUntilMs.set(peerId, Math.max(untilMs, this.#bannedUntilMs.get(peerId) ?? untilMs))
  }

  isBanned(peerId: string): boolean {
    const untilMs = this.#bannedUntilMs.get(peerId)
    return untilMs !== undefined && this.#clock.now() < untilMs
  }

  /** Whether `peerId` is kept out, banned or not admitted. */
  refuses(peerId: string): boolean {
    return this.isBanned(peerId) || !this.#admit(peerId)
  }

  /** The gatekeeper as libp2p asks it: before a dial, and once a handshake has proven who the other end is. */
  toConnectionGater(): ConnectionGater {
    const refuses = (peerId: PeerId): boolean => this.refuses(peerId.toString())
    return {
      denyDialPeer: refuses,
      denyInboundEncryptedConnection: refuses,
      denyOutboundEncryptedConnection: refuses,
    }
  }
}
