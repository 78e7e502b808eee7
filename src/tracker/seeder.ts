import { LRUCache } from 'lru-cache'
import type { AbortOptions, BlobRef, Clock, Digest, OriginGrant, Timer } from '../core/index.ts'
import type { SupplyBusy } from '../exchange/index.ts'
import { type OriginAccess, type Scheduler, TaskGroup } from '../scheduler/index.ts'
import type { BlobDirectory, Seeder } from '../supply/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { type SeededBlob, Seeding } from './seeding.ts'
import { Turns } from './turns.ts'

/** Blobs whose origin is remembered from what followers said. */
const MAX_REMEMBERED = 20_000

/** Origins kept per blob: the same layer may stand in several repositories, a few are enough to try. */
const MAX_ORIGINS = 4

/** A blob nobody asked for this long is no longer watched; its chunks stay in the store. */
const IDLE_MS = 60_000

/** While the store has no room it is let go after this: whoever fetches a blob asks several times a second. */
const CROWDED_IDLE_MS = 2_000

/**
 * How long a chunk cut along a table of contents is told of before it is handed out: long enough for the message to get to an
 * agent, for its look into the store, and for its answer, also on a busy machine.
 */
const OFFER_MS = 250

/** Followers that a new seeding follows back at once. */
const FOLLOWED_BACK = 200

export interface TrackerSeederComponents {
  readonly scheduler: Scheduler
  readonly directory: BlobDirectory
  readonly clock: Clock
  readonly logger: Logger
}

interface Entry {
  readonly seeding: Promise<Seeding>
  idleTimer: Timer | undefined
  /** When somebody last asked for some of it. */
  usedAtMs: number
}

/** Fetches each asked-for blob from the origin once for the whole cluster. Owns the seedings under way and where each blob can be had. */
export class TrackerSeeder implements Seeder {
  readonly #components: TrackerSeederComponents
  readonly #origins = new LRUCache<Digest, readonly OriginGrant[]>({ max: MAX_REMEMBERED })
  readonly #entries = new Map<Digest, Entry>()
  readonly #turns = new Turns()
  readonly #tasks = new TaskGroup()
  readonly #unlisten: () => void

  constructor(components: TrackerSeederComponents) {
    this.#components = components
    this.#unlisten = components.scheduler.listen({
      chunkHeld: (ref, chunk) => {
        const entry = this.#entries.get(ref.digest)
        if (entry !== undefined) this.#tasks.run(async () => (await opened(entry))?.chunkHeld(chunk))
      },
      roomNeeded: async () => await this.#closeIdle(),
    })
  }

  async stop(): Promise<void> {
    this.#unlisten()
    await this.#tasks.close()
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    for (const entry of entries) entry.idleTimer?.clear()
    await Promise.allSettled(entries.map(async ({ seeding }) => await (await seeding).close()))
  }

  noteWanted(ref: BlobRef, origins: readonly OriginGrant[]): void {
    const known = this.#origins.get(ref.digest) ?? []
    const merged = mergeGrants(origins, known).slice(0, MAX_ORIGINS)
    if (merged.length === 0) return
    this.#origins.set(ref.digest, merged)
    this.#components.scheduler.find(ref.digest)?.renewAccess(accessOf(merged))
  }

  async take(peerId: string, ref: BlobRef, options: AbortOptions): Promise<number | 'lacks' | SupplyBusy> {
    const seeding = await this.#seeding(ref, options)
    return seeding === undefined ? 'lacks' : await seeding.take(peerId, options)
  }

  async fetch(ref: BlobRef, chunk: number, options: AbortOptions): Promise<boolean> {
    const seeding = await this.#seeding(ref, options)
    if (seeding === undefined) return false
    const layout = this.#components.scheduler.layoutOf(ref)
    if (chunk < 0 || chunk >= layout.chunkCount) return false
    const start = layout.offsetOf(chunk)
    return await seeding.fetch(start, start + layout.lengthOf(chunk), options)
  }

  async #seeding(ref: BlobRef, options: AbortOptions): Promise<Seeding | undefined> {
    if (this.#tasks.signal.aborted) return undefined
    const entry = this.#entries.get(ref.digest) ?? this.#begin(ref)
    this.#postponeIdle(ref.digest, entry)
    options.signal?.throwIfAborted()
    return await entry.seeding
  }

  #begin(ref: BlobRef): Entry {
    const entry: Entry = { seeding: this.#open(ref), idleTimer: undefined, usedAtMs: 0 }
    this.#entries.set(ref.digest, entry)
    entry.seeding.catch(() => {
      entry.idleTimer?.clear()
      if (this.#entries.get(ref.digest) === entry) this.#entries.delete(ref.digest)
    })
    return entry
  }

  async #open(ref: BlobRef): Promise<Seeding> {
    const { scheduler, directory } = this.#components
    const origins = this.#origins.get(ref.digest) ?? []
    const handle = await scheduler.open(ref, accessOf(origins), { signal: this.#tasks.signal })
    const swarm = scheduler.find(ref.digest)?.swarm
    for (const peer of directory.sample(ref.digest, '', FOLLOWED_BACK)) swarm?.add(peer)
    return new Seeding(ref, this.#watch(ref), handle, { ...this.#components, turns: this.#turns })
  }

  #watch(ref: BlobRef): SeededBlob {
    const { scheduler } = this.#components
    const download = () => scheduler.find(ref.digest)
    const layout = scheduler.layoutOf(ref)
    return {
      chunkCount: layout.chunkCount,
      offerMs: layout.kind === 'toc' ? OFFER_MS : 0,
      get isComplete() {
        return download()?.blob.isComplete ?? false
      },
      has: (chunk) => download()?.blob.has(chunk) ?? false,
      copiesOf: (chunk) => download()?.copiesOf(chunk) ?? 0,
      isHeldBy: (peerId, chunk) => download()?.isHeldBy(peerId, chunk) ?? false,
      hasLeft: (peerId) => download()?.swarm.hasLeft(peerId) ?? false,
    }
  }

  #postponeIdle(digest: Digest, entry: Entry): void {
    const { clock } = this.#components
    entry.idleTimer?.clear()
    entry.usedAtMs = clock.now()
    entry.idleTimer = clock.after(IDLE_MS, () => this.#tasks.run(async () => await this.#close(digest, entry)))
  }

  /** What is still being fetched is in use, whoever asked for it: it is read from the origin once. */
  async #closeIdle(): Promise<void> {
    const { clock, scheduler } = this.#components
    const isIdle = ([digest, { usedAtMs }]: readonly [Digest, Entry]) =>
      clock.now() - usedAtMs >= CROWDED_IDLE_MS && scheduler.readersOf(digest) === 0
    await Promise.all(
      [...this.#entries].filter(isIdle).map(async ([digest, entry]) => await this.#close(digest, entry)),
    )
  }

  async #close(digest: Digest, entry: Entry): Promise<void> {
    entry.idleTimer?.clear()
    if (this.#entries.get(digest) === entry) this.#entries.delete(digest)
    await (await opened(entry))?.close()
  }
}

/** The seeding once there is one; those who asked for it hear why there is none. */
async function opened({ seeding }: Entry): Promise<Seeding | undefined> {
  return await seeding.catch(() => undefined)
}

/** Both lists without repetition: what came last first, but places with a right to read before those without. */
function mergeGrants(latest: readonly OriginGrant[], known: readonly OriginGrant[]): OriginGrant[] {
  const all = [...latest, ...known]
  const ranked = [...all.filter(hasRight), ...all.filter((grant) => !hasRight(grant))]
  return ranked.filter((grant, index) => ranked.findIndex((other) => isSamePlace(other, grant)) === index)
}

function hasRight({ authorization }: OriginGrant): boolean {
  return authorization !== undefined
}

function isSamePlace(a: OriginGrant, b: OriginGrant): boolean {
  return a.namespace === b.namespace && a.repository === b.repository
}

function accessOf(grants: readonly OriginGrant[]): OriginAccess {
  return { origins: grants, authorization: grants[0]?.authorization }
}
