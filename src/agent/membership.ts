import type { AbortOptions, Digest, PeerRef, Random } from '../core/index.ts'
import type { Discovery } from '../discovery/index.ts'
import type { ContentRouter } from '../scheduler/index.ts'

/**
 * How long the DHT may wait, give or take a half, for what a tracker knows already: a provide is some thirty messages and
 * up to half a second of the cluster's CPU, which a wave of pulls needs for itself. Longer than a roll-out takes, or the
 * records of its first layers cost as much in the middle of it.
 */
const PROVIDE_DELAY_MS = 5 * 60_000

/** The same from when a tracker leaves: the others, if there are any, may follow. */
const PROVIDE_DELAY_ALONE_MS = 30_000

export interface MembershipComponents {
  readonly random: Random
  readonly discovery: Pick<Discovery, 'provide' | 'hastenProvides' | 'unprovide' | 'reportDead' | 'findPeers'>
  /** Tells connected trackers; those that connect later ask for everything held. */
  readonly announce: (digests: readonly Digest[]) => void
  /** Whether a tracker hears what is announced. */
  readonly hasTracker: () => boolean
  readonly withdraw: (digests: readonly Digest[]) => void
  /** Peers that asked us for some of `digest`. */
  readonly askers: (digest: Digest) => readonly PeerRef[]
}

/** Says what this process holds, to the DHT and to the trackers at once, each blob once, and takes it back when it is evicted. */
export class Membership implements ContentRouter {
  readonly #components: MembershipComponents
  readonly #said = new Set<Digest>()

  constructor(components: MembershipComponents) {
    this.#components = components
  }

  /** Says again what a former run left in the store. */
  start(held: readonly Digest[]): void {
    for (const digest of held) this.provide(digest)
  }

  provide(digest: Digest): void {
    if (this.#said.has(digest)) return
    this.#said.add(digest)
    const { discovery, hasTracker } = this.#components
    discovery.provide(digest, hasTracker() ? this.#spread(PROVIDE_DELAY_MS) : 0)
    this.#components.announce([digest])
  }

  /** A tracker that may have known what the DHT was not told yet is gone. */
  trackerLeft(): void {
    this.#components.discovery.hastenProvides(() => this.#spread(PROVIDE_DELAY_ALONE_MS))
  }

  /** The blob was evicted. */
  withdraw(digest: Digest): void {
    if (!this.#said.delete(digest)) return
    this.#components.discovery.unprovide(digest)
    this.#components.withdraw([digest])
  }

  reportDead(digest: Digest, peerId: string): void {
    this.#components.discovery.reportDead(digest, peerId)
  }

  /** Those who asked us come first: they are known without a walk. */
  async *findPeers(digest: Digest, options: AbortOptions): AsyncIterable<PeerRef> {
    yield* this.#components.askers(digest)
    yield* this.#components.discovery.findPeers(digest, options)
  }

  /** All of a wave hold the same within seconds, and should not say so in one second. */
  #spread(delayMs: number): number {
    return delayMs * (0.5 + this.#components.random())
  }
}
