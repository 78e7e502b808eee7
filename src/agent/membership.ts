import type { AbortOptions, Digest, PeerRef } from '../core/index.ts'
import type { Discovery } from '../discovery/index.ts'
import type { ContentRouter } from '../scheduler/index.ts'

export interface MembershipComponents {
  readonly discovery: Discovery
  /** Tells connected trackers; those that connect later ask for everything held. */
  readonly announce: (digests: readonly Digest[]) => void
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
    this.#components.discovery.provide(digest)
    this.#components.announce([digest])
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
}
