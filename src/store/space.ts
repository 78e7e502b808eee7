import pLimit from 'p-limit'
import type { Digest } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import type { BlobRemover } from './blob-remover.ts'
import type { BlobState } from './blob-state.ts'
import { borrowersOf, type Catalogue } from './catalogue.ts'
import type { DocumentStore } from './document-store.ts'
import { StoreFullError } from './errors.ts'
import { type EvictionCandidate, excessBytes, planEviction, type SpaceState, takeUntil } from './eviction-policy.ts'
import type { FileSystem } from './file-system.ts'
import type { StoreMetrics } from './metrics.ts'

export interface SpaceInit {
  readonly dir: string
  readonly quotaBytes: number
  readonly minFreeBytes: number
  readonly rarity: (digest: Digest) => number
}

export interface SpaceComponents {
  readonly catalogue: Catalogue
  readonly documents: DocumentStore
  readonly remover: BlobRemover
  readonly files: FileSystem
  readonly metrics: StoreMetrics
  readonly logger: Logger
}

interface Victim extends EvictionCandidate {
  readonly kind: 'blob' | 'document'
  evict(): Promise<void>
}

/** Bytes written between two looks at the free disk: at 1 GB/s others get 60 ms to fill what the guard keeps. */
const FREE_CHECK_BYTES = 64 * 1024 * 1024

/** Keeps the store below its quota and the disk above its guard, by evicting what is not in use. Owns the order of removals: one at a time. */
export class Space {
  readonly #init: SpaceInit
  readonly #components: SpaceComponents
  readonly #turn = pLimit(1)
  #writtenSinceCheck = 0

  constructor(init: SpaceInit, components: SpaceComponents) {
    this.#init = init
    this.#components = components
  }

  /** Runs what admits or removes blobs, one after the other. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    return await this.#turn(work)
  }

  /** Evicts until what is reserved, and `extraBytes` more, fit. Throws a StoreFullError, with nothing evicted, when they cannot. Only inside `exclusive`. */
  async makeRoom(extraBytes: number): Promise<void> {
    const victims = planEviction(await this.#state(extraBytes), this.#candidates())
    if (victims === undefined) throw new StoreFullError('no room, also after evicting all that is not in use')
    if (victims.length === 0) return
    await this.#evict(victims)
    if (planEviction(await this.#state(extraBytes), []) === undefined)
      throw new StoreFullError('eviction gave too little room')
  }

  /** Whether `extraBytes` more could be taken without anything having to go. */
  async isRoomy(extraBytes: number): Promise<boolean> {
    return excessBytes(await this.#state(extraBytes)) === 0
  }

  /** After the disk was found full: evicts at least `bytes`, also below the low water mark. False when nothing could go. */
  async relieve(bytes: number): Promise<boolean> {
    return await this.exclusive(async () => (await this.#evict(takeUntil(this.#candidates(), bytes))) > 0)
  }

  /** Called before writing; looks at the free disk now and then. Throws a StoreFullError when the guard does not hold. */
  async admitWrite(bytes: number): Promise<void> {
    this.#writtenSinceCheck += bytes
    if (this.#writtenSinceCheck < FREE_CHECK_BYTES) return
    const { minFreeBytes } = this.#init
    if ((await this.#freeBytes()) < minFreeBytes + bytes) {
      await this.exclusive(() => this.makeRoom(0))
    }
    this.#writtenSinceCheck = 0
  }

  async #state(extraBytes: number): Promise<SpaceState> {
    const { catalogue, documents } = this.#components
    const freeBytes = await this.#freeBytes()
    return {
      quotaBytes: this.#init.quotaBytes,
      minFreeBytes: this.#init.minFreeBytes,
      usedBytes: catalogue.usedBytes() + documents.usedBytes,
      reservedBytes: catalogue.reservedBytes() + extraBytes,
      freeBytes,
    }
  }

  async #freeBytes(): Promise<number> {
    try {
      return await this.#components.files.freeBytes(this.#init.dir)
    } catch (error) {
      this.#components.logger.warn({ err: error }, 'could not ask how much of the disk is free')
      return Number.MAX_SAFE_INTEGER
    }
  }

  /** Gives how many went; what cannot go now is left. */
  async #evict(victims: readonly Victim[]): Promise<number> {
    let count = 0
    for (const victim of victims) {
      try {
        await victim.evict()
        this.#components.metrics.evictions.inc({ kind: victim.kind })
        count++
      } catch (error) {
        this.#components.logger.warn({ err: error }, 'could not evict')
      }
    }
    return count
  }

  #candidates(): readonly Victim[] {
    const { catalogue, documents } = this.#components
    const blobs = [...catalogue.blobs()].filter(isEvictable).map((blob) => this.#blobVictim(blob))
    const files = documents.entries().map((entry) => ({
      kind: 'document' as const,
      freesBytes: entry.bytesOnDisk,
      lastUsedMs: entry.lastUsedMs,
      rarity: 0,
      evict: () => documents.remove(entry.digest),
    }))
    return [...blobs, ...files]
  }

  #blobVictim(blob: BlobState): Victim {
    return {
      kind: 'blob',
      freesBytes: blob.bytesOnDisk - movingBytes(blob),
      lastUsedMs: blob.lastUsedMs,
      rarity: this.#init.rarity(blob.ref.digest),
      evict: async () => {
        if (isEvictable(blob)) await this.#components.remover.remove(blob)
      },
    }
  }
}

/** Whether nobody uses the blob, nor a chunk of it by way of another one. */
export function isEvictable(blob: BlobState): boolean {
  if (blob.pins > 0 || blob.borrowers > 0 || blob.isLeaving) return false
  return borrowersOf(blob).every((borrower) => borrower.pins === 0)
}

/** Bytes that would not be freed, because other blobs take them over. */
function movingBytes(blob: BlobState): number {
  let bytes = 0
  for (const [chunk, aliases] of blob.aliases) {
    if (aliases.some((alias) => alias.blob !== blob)) bytes += blob.layout.lengthOf(chunk)
  }
  return bytes
}
