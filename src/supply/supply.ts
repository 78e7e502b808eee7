import { encodeSignedChunkMap } from '../chunking/index.ts'
import {
  type AbortOptions,
  type BlobRef,
  type Clock,
  type Digest,
  isAbort,
  type OriginGrant,
  type PeerRef,
  type Timer,
} from '../core/index.ts'
import type {
  ChunkSupply,
  Publisher,
  RemotePeer,
  Subscription,
  SuppliedChunk,
  SupplyBusy,
  Urgency,
} from '../exchange/index.ts'
import { type Scheduler, TaskGroup } from '../scheduler/index.ts'
import type { Logger } from '../telemetry/index.ts'
import type { BlobDirectory } from './blob-directory.ts'
import type { Seeder, SupplyStore } from './ports.ts'
import { Publication } from './publication.ts'

/** Peers named to a follower: as many as it will follow. */
const INTRODUCED_PEERS = 24

/** Peers named with a busy answer. */
const ALTERNATES = 4

/** A publication without followers keeps its blob open this long for the next want. */
const IDLE_MS = 30_000

/** While the store has no room it does so only this long: whoever fetches a blob asks for its chunks several times a second. */
const CROWDED_IDLE_MS = 2_000

export interface SupplyComponents {
  readonly store: SupplyStore
  readonly scheduler: Scheduler
  readonly directory: BlobDirectory
  readonly clock: Clock
  readonly logger: Logger
  /** Present in a tracker. */
  readonly seeder?: Seeder
}

/**
 * What this process gives to its peers: tells followers which chunks it holds as they arrive, serves chunks and maps,
 * introduces followers of the same blob to each other, and follows them back in a download of its own.
 */
export class Supply implements ChunkSupply {
  readonly #components: SupplyComponents
  readonly #publications = new Map<Digest, Publication>()
  readonly #idleTimers = new Map<Digest, Timer>()
  readonly #tasks = new TaskGroup()
  readonly #unlisten: () => void

  constructor(components: SupplyComponents) {
    this.#components = components
    this.#unlisten = components.scheduler.listen({
      chunkHeld: (ref, chunk, digest) => this.#chunkHeld(ref, chunk, digest),
      roomNeeded: async () => this.#dropIdle(),
    })
  }

  async stop(): Promise<void> {
    this.#unlisten()
    for (const timer of this.#idleTimers.values()) timer.clear()
    await this.#tasks.close()
    for (const publication of this.#publications.values()) publication.close()
    this.#publications.clear()
  }

  follow(
    peer: RemotePeer,
    ref: BlobRef,
    origins: readonly OriginGrant[],
    publisher: Publisher,
    layout = '',
  ): Subscription | undefined {
    const { directory, scheduler, seeder } = this.#components
    if (peer.role === 'agent') directory.note(peer, ref.digest)
    if (!this.#isKnown(ref) || layout !== scheduler.layoutOf(ref).fingerprint) {
      // Nothing of it here that it could use, but others who want it may have asked as well: so they find each other.
      publisher.peers(directory.introduce(ref.digest, peer.id, INTRODUCED_PEERS))
      return undefined
    }
    scheduler.find(ref.digest)?.swarm.followBack(peer)
    seeder?.noteWanted(ref, origins)
    // Peers first: once a follower knows what we hold it takes it that it knows who else might.
    publisher.peers(
      seeder === undefined
        ? directory.introduce(ref.digest, peer.id, INTRODUCED_PEERS)
        : directory.sample(ref.digest, peer.id, INTRODUCED_PEERS),
    )
    const publication = this.#publication(ref)
    publication.follow(peer, publisher)
    if (seeder === undefined && directory.isNearest(peer.id, ref.digest)) publication.introduce(peer)
    // A tracker that holds nothing says so at once: its follower waits for that word before it asks anyone.
    if (publication.blob === undefined && !this.#hasChunks(ref.digest))
      publisher.bitfield(emptyBits(ref, this.#components))
    return { close: () => this.#unfollowed(publication, publisher) }
  }

  async read(
    peerId: string,
    ref: BlobRef,
    wanted: number | 'any',
    _urgency: Urgency,
    options: AbortOptions,
  ): Promise<SuppliedChunk | 'lacks' | SupplyBusy> {
    const { seeder } = this.#components
    if (!this.#isKnown(ref)) return 'lacks'
    const chunk = wanted === 'any' ? ((await seeder?.take(peerId, ref, options)) ?? 'lacks') : wanted
    if (typeof chunk !== 'number') return chunk
    const held = await this.#held(ref, chunk, options)
    if (held !== undefined) return held
    if (seeder === undefined || !(await seeder.fetch(ref, chunk, options))) return 'lacks'
    return (await this.#held(ref, chunk, options)) ?? 'lacks'
  }

  alternates(peerId: string, ref: BlobRef): readonly PeerRef[] {
    return this.#components.directory.sample(ref.digest, peerId, ALTERNATES)
  }

  async map(digest: Digest): Promise<Uint8Array | undefined> {
    const found = this.#components.store.find(digest)
    if (found === undefined) return undefined
    const blob = await this.#blobOf(this.#publication({ digest, sizeBytes: found.sizeBytes }), {})
    return blob?.map === undefined ? undefined : encodeSignedChunkMap(blob.map)
  }

  announced(peer: RemotePeer, digests: readonly Digest[], isHeld: boolean): void {
    for (const digest of digests) {
      if (isHeld) this.#components.directory.note(peer, digest)
      else this.#components.directory.forget(peer.id, digest)
    }
  }

  departed(peerId: string): void {
    this.#components.directory.forgetPeer(peerId)
  }

  #isKnown(ref: BlobRef): boolean {
    const { store, scheduler, seeder } = this.#components
    const known = store.find(ref.digest)?.sizeBytes ?? scheduler.find(ref.digest)?.ref.sizeBytes
    return known === undefined ? seeder !== undefined : known === ref.sizeBytes
  }

  #hasChunks(digest: Digest): boolean {
    return (this.#components.store.find(digest)?.heldCount ?? 0) > 0
  }

  #publication(ref: BlobRef): Publication {
    const existing = this.#currentPublication(ref)
    const publication = existing ?? new Publication(ref, this.#components.scheduler.layoutOf(ref).fingerprint)
    publication.usedAtMs = this.#components.clock.now()
    if (existing !== undefined) {
      this.#retireWhenIdle(ref.digest)
      return existing
    }
    this.#publications.set(ref.digest, publication)
    if (this.#hasChunks(ref.digest)) {
      this.#tasks.run(async (signal) => {
        try {
          await this.#blobOf(publication, { signal })
        } catch (error) {
          if (!isAbort(error))
            this.#components.logger.warn({ err: error, digest: ref.digest }, 'blob not opened for peers')
          this.#drop(publication)
        }
      })
    }
    this.#retireWhenIdle(ref.digest)
    return publication
  }

  /** Ends the one of a blob that was removed and begun again with another cut. */
  #currentPublication(ref: BlobRef): Publication | undefined {
    const publication = this.#publications.get(ref.digest)
    if (publication === undefined || publication.layout === this.#components.scheduler.layoutOf(ref).fingerprint)
      return publication
    this.#drop(publication)
    return undefined
  }

  async #blobOf(publication: Publication, options: AbortOptions) {
    if (publication.blob === undefined && this.#hasChunks(publication.ref.digest)) {
      publication.serveFrom(await this.#components.store.open(publication.ref, options))
    }
    return publication.blob
  }

  async #held(ref: BlobRef, chunk: number, options: AbortOptions): Promise<SuppliedChunk | undefined> {
    const publication = this.#publication(ref)
    const stored = publication.blob ?? (await this.#blobOf(publication, options))
    // With no room in the store a chunk is in memory for a while; our readers are not the only ones it may serve.
    const blob = stored?.has(chunk) === true ? stored : this.#components.scheduler.find(ref.digest)?.blob
    // One that was fetched for this very peer may still be on its way to the disk.
    const fresh = () => this.#components.scheduler.find(ref.digest)?.chunks
    const digest = blob?.has(chunk) === true ? blob.digestAt(chunk) : fresh()?.freshDigestAt(chunk)
    if (blob === undefined || digest === undefined) return undefined
    const { layout } = blob
    const bytes = async (during: AbortOptions) =>
      fresh()?.lendIfFresh(chunk) ?? (await blob.lend(layout.offsetOf(chunk), layout.lengthOf(chunk), during))
    return { chunk, digest, bytes }
  }

  #chunkHeld(ref: BlobRef, chunk: number, digest: Uint8Array): void {
    const publication = this.#currentPublication(ref)
    if (publication === undefined) return
    const download = this.#components.scheduler.find(ref.digest)
    publication.held(chunk, digest, (peerId) => download?.isHeldBy(peerId, chunk) ?? false)
    if (publication.blob !== undefined) return
    this.#tasks.run(async (signal) => {
      try {
        await this.#blobOf(publication, { signal })
      } catch (error) {
        if (!isAbort(error))
          this.#components.logger.warn({ err: error, digest: ref.digest }, 'blob not opened for peers')
      }
    })
  }

  #unfollowed(publication: Publication, publisher: Publisher): void {
    publication.unfollow(publisher)
    this.#retireWhenIdle(publication.ref.digest)
  }

  /** Each use only notes its time: a timer for each would be cleared as often. */
  #retireWhenIdle(digest: Digest, delayMs = IDLE_MS): void {
    if (this.#tasks.signal.aborted || this.#idleTimers.has(digest)) return
    const { clock } = this.#components
    const timer = clock.after(delayMs, () => {
      this.#idleTimers.delete(digest)
      const publication = this.#publications.get(digest)
      if (publication === undefined) return
      const leftMs = publication.usedAtMs + IDLE_MS - clock.now()
      if (leftMs > 0) this.#retireWhenIdle(digest, leftMs)
      else if (publication.followerCount === 0) this.#drop(publication)
    })
    this.#idleTimers.set(digest, timer)
  }

  /** Followers are no reason to keep a blob of which nobody asks for anything any more: most have all of it, and linger. */
  #dropIdle(): void {
    const { clock, scheduler } = this.#components
    const isIdle = ({ ref, usedAtMs }: Publication) =>
      clock.now() - usedAtMs >= CROWDED_IDLE_MS && !((scheduler.readersOf(ref.digest) ?? 0) > 0)
    for (const publication of [...this.#publications.values()].filter(isIdle)) this.#drop(publication)
  }

  #drop(publication: Publication): void {
    if (this.#publications.get(publication.ref.digest) === publication)
      this.#publications.delete(publication.ref.digest)
    publication.close()
  }
}

function emptyBits(ref: BlobRef, { scheduler }: SupplyComponents): Uint8Array {
  return new Uint8Array(Math.ceil(scheduler.layoutOf(ref).chunkCount / 8))
}
