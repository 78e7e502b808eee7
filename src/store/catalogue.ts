import type { Digest } from '../core/index.ts'
import type { BlobState, ChunkPlace } from './blob-state.ts'

/**
 * All blobs of the store in memory, and by digest who holds the bytes of a chunk, so that equal chunks are kept once.
 * Every change happens in one step without waiting, after the files say the same. Owns the links between chunks and
 * their aliases.
 */
export class Catalogue {
  readonly #blobs = new Map<Digest, BlobState>()
  /** The chunk itself is found in the blob by its digest: a pointer for each chunk is all that this index costs. */
  readonly #holders = new Map<string, BlobState>()

  get count(): number {
    return this.#blobs.size
  }

  blobs(): Iterable<BlobState> {
    return this.#blobs.values()
  }

  get(digest: Digest): BlobState | undefined {
    return this.#blobs.get(digest)
  }

  add(blob: BlobState): void {
    this.#blobs.set(blob.ref.digest, blob)
  }

  /** Forgets the blob; gives the places in other blobs that lost their bytes with it. */
  delete(blob: BlobState): readonly ChunkPlace[] {
    const lost = this.clear(blob)
    if (this.#blobs.get(blob.ref.digest) === blob) this.#blobs.delete(blob.ref.digest)
    return lost
  }

  /** Takes every chunk out of the blob; gives the places in other blobs that lost their bytes with it. */
  clear(blob: BlobState): readonly ChunkPlace[] {
    for (const chunk of [...blob.holders.keys()]) this.drop({ blob, chunk })
    return [...blob.ownChunks()].flatMap((chunk) => this.drop({ blob, chunk }).filter((place) => place.blob !== blob))
  }

  usedBytes(): number {
    return sum(this.#blobs.values(), (blob) => blob.bytesOnDisk)
  }

  reservedBytes(): number {
    return sum(this.#blobs.values(), (blob) => blob.reservedBytes)
  }

  /** Where the bytes of a chunk with this digest are, in a blob that stays. */
  find(digest: Uint8Array): ChunkPlace | undefined {
    const blob = this.#holders.get(keyOf(digest))
    if (blob === undefined || blob.isLeaving) return undefined
    const chunk = blob.ownChunkWith(digest)
    return chunk === undefined ? undefined : { blob, chunk }
  }

  /** The bytes of the chunk are in its blob's own file. */
  hold(place: ChunkPlace, digest: Uint8Array): void {
    place.blob.enterOwn(place.chunk, digest)
    const key = keyOf(digest)
    if (this.find(digest) === undefined) this.#holders.set(key, place.blob)
  }

  /** The chunk is where `holder` is. */
  alias(place: ChunkPlace, digest: Uint8Array, holder: ChunkPlace): void {
    place.blob.enterAlias(place.chunk, digest, holder)
    link(place, holder)
  }

  /** `aliased -> own`: its blob now has the bytes; the other aliases of the former holder follow it. */
  promote(place: ChunkPlace): void {
    const holder = place.blob.holders.get(place.chunk)
    const digest = Buffer.from(place.blob.digestAt(place.chunk) ?? [])
    if (holder === undefined) return
    const others = (holder.blob.aliases.get(holder.chunk) ?? []).filter((alias) => !isSame(alias, place))
    holder.blob.aliases.delete(holder.chunk)
    place.blob.takeOut(place.chunk)
    place.blob.enterOwn(place.chunk, digest)
    this.#holders.set(keyOf(digest), place.blob)
    for (const other of others) {
      other.blob.holders.set(other.chunk, place)
      link(other, place)
    }
  }

  /** The chunk is not held any more, nor is any alias of it; gives all places that were taken out. */
  drop(place: ChunkPlace): readonly ChunkPlace[] {
    const { blob, chunk } = place
    const digest = blob.digestAt(chunk)
    if (digest === undefined) return []
    const holder = blob.holders.get(chunk)
    if (holder !== undefined) unlink(place, holder)
    const aliases = blob.aliases.get(chunk) ?? []
    blob.aliases.delete(chunk)
    const key = keyOf(digest)
    blob.takeOut(chunk)
    blob.isComplete = false
    if (holder === undefined && this.#holders.get(key) === blob) this.#holders.delete(key)
    return [place, ...aliases.flatMap((alias) => this.#dropAlias(alias))]
  }

  #dropAlias(place: ChunkPlace): readonly ChunkPlace[] {
    place.blob.takeOut(place.chunk)
    place.blob.isComplete = false
    return [place]
  }
}

/** The other blobs that take a chunk from this one. */
export function borrowersOf(blob: BlobState): readonly BlobState[] {
  return [...blob.aliases.values()].flat().flatMap((alias) => (alias.blob === blob ? [] : [alias.blob]))
}

/** The key of a digest in a map: half of it, which no one can make collide, and the whole is compared afterwards. */
function keyOf(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, 16).toString('latin1')
}

function link(alias: ChunkPlace, holder: ChunkPlace): void {
  const aliases = holder.blob.aliases.get(holder.chunk)
  if (aliases === undefined) holder.blob.aliases.set(holder.chunk, [alias])
  else aliases.push(alias)
}

function unlink(alias: ChunkPlace, holder: ChunkPlace): void {
  const rest = (holder.blob.aliases.get(holder.chunk) ?? []).filter((other) => !isSame(other, alias))
  if (rest.length === 0) holder.blob.aliases.delete(holder.chunk)
  else holder.blob.aliases.set(holder.chunk, rest)
}

function isSame(a: ChunkPlace, b: ChunkPlace): boolean {
  return a.blob === b.blob && a.chunk === b.chunk
}

function sum<T>(items: Iterable<T>, bytesOf: (item: T) => number): number {
  let total = 0
  for (const item of items) total += bytesOf(item)
  return total
}
