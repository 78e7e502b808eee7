import { LRUCache } from 'lru-cache'
import pLimit from 'p-limit'
import type { AbortOptions, Clock, Digest, PeerRef } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import type { DeadProviders } from './dead-providers.ts'
import type { DiscoveryNode } from './discovery-node.ts'
import type { DiscoveryMetrics } from './metrics.ts'
import { ProviderWalk } from './provider-walk.ts'

/** As many peers as a download uses; they tell of more. */
const MAX_PEERS = 20

/** Measured 1.4 s to the first result at the 99th percentile with 100 nodes; a walk past this only finds the slow. */
const WALK_TIMEOUT_MS = 5_000

/** Walks at a time, 24 to 39 messages each: a node that starts thirty containers at once takes its layers in turns. */
const MAX_CONCURRENT_WALKS = 16

/** Layers whose walk is remembered; more than one rollout has. */
const MAX_WALKS = 1024

/** Found peers hold for a few ranges of the same layer. */
const FOUND_LIFE_MS = 3_000

/** Nothing found may change within the second: in a cold wave everyone starts to provide at once. */
const EMPTY_LIFE_MS = 1_000

export interface ProviderSearchComponents {
  readonly node: DiscoveryNode
  readonly dead: DeadProviders
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: DiscoveryMetrics
}

interface RecentWalk {
  readonly walk: ProviderWalk
  /** When it is too old to be shared; never while it goes on. */
  staleAtMs: number
}

/** Finds providers of a layer: one walk for all who ask at once, and its result for those who ask within seconds. Owns the walks. */
export class ProviderSearch {
  readonly #components: ProviderSearchComponents
  readonly #recent = new LRUCache<Digest, RecentWalk>({ max: MAX_WALKS })
  readonly #limit = pLimit(MAX_CONCURRENT_WALKS)
  readonly #running = new Set<Promise<void>>()
  readonly #stopping = new AbortController()

  constructor(components: ProviderSearchComponents) {
    this.#components = components
  }

  /** Peers other than us, not banned and not reported dead, as they are found. */
  async *find(digest: Digest, options: AbortOptions = {}): AsyncGenerator<PeerRef, void, void> {
    for await (const peer of this.#walkFor(digest).read(options)) {
      if (this.#isUsable(digest, peer)) yield peer
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#running)
  }

  #isUsable(digest: Digest, peer: PeerRef): boolean {
    const { node, dead } = this.#components
    return peer.id !== node.peerId && !node.isBanned(peer.id) && !dead.has(digest, peer.id)
  }

  #walkFor(digest: Digest): ProviderWalk {
    const recent = this.#recent.get(digest)
    if (recent !== undefined && !recent.walk.abandoned.aborted && this.#components.clock.now() < recent.staleAtMs)
      return recent.walk
    const entry: RecentWalk = { walk: new ProviderWalk(), staleAtMs: Number.POSITIVE_INFINITY }
    this.#recent.set(digest, entry)
    const running = this.#limit(() => this.#run(digest, entry)).finally(() => this.#running.delete(running))
    this.#running.add(running)
    return entry.walk
  }

  async #run(digest: Digest, entry: RecentWalk): Promise<void> {
    const { walk } = entry
    const { clock, metrics } = this.#components
    const deadline = new AbortController()
    const timer = clock.after(WALK_TIMEOUT_MS, () => deadline.abort())
    const signal = AbortSignal.any([this.#stopping.signal, deadline.signal, walk.abandoned])
    try {
      await this.#collect(digest, walk, signal)
    } finally {
      timer.clear()
      // A signal made with `any` stays in memory as long as its longest-lived source while something listens to it and it has not fired.
      deadline.abort()
      entry.staleAtMs = clock.now() + (walk.foundCount > 0 ? FOUND_LIFE_MS : EMPTY_LIFE_MS)
      walk.end()
      metrics.finds.inc({ result: walk.foundCount > 0 ? 'found' : 'none' })
    }
  }

  /** Never fails: a walk that breaks has found what it has found. */
  async #collect(digest: Digest, walk: ProviderWalk, signal: AbortSignal): Promise<void> {
    const { node, clock, metrics, logger } = this.#components
    const startMs = clock.now()
    try {
      signal.throwIfAborted()
      for await (const peer of node.providers.findProviders(digest, { signal })) {
        if (!this.#isUsable(digest, peer) || !walk.add(peer)) continue
        metrics.foundPeers.inc()
        if (walk.foundCount === 1) metrics.firstResultSeconds.observe((clock.now() - startMs) / 1000)
        if (walk.foundCount >= MAX_PEERS) return
      }
    } catch (error) {
      if (!signal.aborted) logger.debug({ err: error, digest }, 'looking for providers failed')
    }
  }
}
