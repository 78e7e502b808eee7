import { type AbortOptions, type Clock, isAbort, type OriginRef } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { SingleFlight } from '../util/index.ts'
import { askAgents, askTrackers } from './ask-peers.ts'
import { type Belongings, canonical, keyOf } from './belongings.ts'
import type {
  CallerOptions,
  CatalogStore,
  DocumentPeers,
  ManifestDescriptor,
  OriginDocuments,
  StoredTag,
} from './ports.ts'

export interface TagsInit {
  /** How long a resolved tag is not asked for again, milliseconds. */
  readonly tagTtlMs: number
  /** How old a resolved tag may be when the origin is down, milliseconds. */
  readonly tagStaleLimitMs: number
  /** Distinct agents that must name the same digest for a tag when neither origin nor tracker answers. */
  readonly agreement: number
}

export interface TagsComponents {
  readonly store: Pick<CatalogStore, 'getTag' | 'putTag'>
  readonly belongings: Belongings
  readonly origin: Pick<OriginDocuments, 'headManifest'>
  readonly peers: DocumentPeers | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * What tags stand for: as the origin says, through a tracker where there is one, so that a wave of agents is one request there;
 * and while the origin is down as it was last seen, within a limit.
 */
export class Tags {
  readonly #init: TagsInit
  readonly #components: TagsComponents
  readonly #flights = new SingleFlight<ManifestDescriptor | undefined>()

  constructor(init: TagsInit, components: TagsComponents) {
    this.#init = init
    this.#components = components
  }

  /** What `tag` stands for; `undefined` when the origin says there is none. */
  async resolve(origin: OriginRef, tag: string, options: CallerOptions): Promise<ManifestDescriptor | undefined> {
    const { store, belongings } = this.#components
    const known = store.getTag(origin, tag)
    if (known !== undefined && this.#ageMs(known) < this.#init.tagTtlMs) return known
    const key = `${keyOf(origin)}:${tag} ${options.authorization ?? ''}`
    return await this.#flights.run(key, options, async (signal) => {
      const caller = { authorization: options.authorization, signal }
      const found = (await this.#ofTracker(origin, tag, caller)) ?? (await this.#ofOrigin(origin, tag, caller, known))
      if (found !== undefined)
        belongings.note(found.digest, { ...origin, sizeBytes: found.sizeBytes, mediaType: found.mediaType })
      return found
    })
  }

  /** What is stored of `tag`, and how old that is. */
  stored(origin: OriginRef, tag: string): { descriptor: ManifestDescriptor; ageMs: number } | undefined {
    const stored = this.#components.store.getTag(origin, tag)
    if (stored === undefined) return undefined
    const { digest, mediaType, sizeBytes } = stored
    return { descriptor: { digest, mediaType, sizeBytes }, ageMs: this.#ageMs(stored) }
  }

  async stop(reason: Error): Promise<void> {
    await this.#flights.stop(reason)
  }

  /** A tracker's answer that is fresh; it asks the origin in its own name, so a caller with credentials is not sent there. */
  async #ofTracker(origin: OriginRef, tag: string, options: CallerOptions): Promise<ManifestDescriptor | undefined> {
    const { peers } = this.#components
    if (peers === undefined || options.authorization !== undefined) return undefined
    const reply = await askTrackers(peers, { kind: 'tag', origin, tag }, options, this.#components.logger)
    if (reply === undefined || reply.ageMs > this.#init.tagTtlMs) return undefined
    return this.#learn(origin, tag, reply.descriptor, reply.ageMs)
  }

  async #ofOrigin(
    origin: OriginRef,
    tag: string,
    options: CallerOptions,
    known: StoredTag | undefined,
  ): Promise<ManifestDescriptor | undefined> {
    try {
      const found = await this.#components.origin.headManifest(origin, tag, options)
      return found === undefined ? undefined : this.#learn(origin, tag, found, 0)
    } catch (error) {
      if (isAbort(error)) throw error
      const stale = this.#stale(known) ?? (await this.#ofSwarm(origin, tag, options))
      if (stale === undefined) throw error
      this.#components.logger.warn(
        { namespace: origin.namespace, err: error },
        'origin does not answer, tag served as last seen',
      )
      return stale
    }
  }

  #stale(known: StoredTag | undefined): ManifestDescriptor | undefined {
    return known !== undefined && this.#ageMs(known) < this.#init.tagStaleLimitMs ? known : undefined
  }

  /** With the origin down: what a tracker last saw, else what enough agents agree on. */
  async #ofSwarm(origin: OriginRef, tag: string, options: AbortOptions): Promise<ManifestDescriptor | undefined> {
    const { peers } = this.#components
    if (peers === undefined) return undefined
    const request = { kind: 'tag', origin, tag } as const
    const ofTracker = await askTrackers(peers, request, options, this.#components.logger)
    if (ofTracker !== undefined && ofTracker.ageMs < this.#init.tagStaleLimitMs) return ofTracker.descriptor
    const votes = new Map<string, number>()
    for await (const { descriptor, ageMs } of askAgents(peers, request, options, this.#components.logger)) {
      if (ageMs >= this.#init.tagStaleLimitMs) continue
      const { digest, mediaType, sizeBytes } = descriptor
      // All of it goes to the client, so all of it is voted on.
      const vote = `${digest} ${sizeBytes} ${mediaType}`
      const count = (votes.get(vote) ?? 0) + 1
      votes.set(vote, count)
      if (count >= this.#init.agreement) return descriptor
    }
    return undefined
  }

  #learn(origin: OriginRef, tag: string, descriptor: ManifestDescriptor, ageMs: number): ManifestDescriptor {
    const checkedAtMs = this.#components.clock.wallTime() - ageMs
    const { digest, mediaType, sizeBytes } = descriptor
    this.#components.store.putTag(canonical(origin), tag, { digest, mediaType, sizeBytes, checkedAtMs })
    return descriptor
  }

  #ageMs(tag: StoredTag): number {
    return Math.max(0, this.#components.clock.wallTime() - tag.checkedAtMs)
  }
}
