import { LRUCache } from 'lru-cache'
import type { BlobRef, Digest } from '../core/index.ts'
import type { OriginAccess, OriginReadOptions, OriginSource } from '../scheduler/index.ts'

/** Bytes kept in all: the ends of the layers of some images that are begun at the same time. */
const MAX_BYTES = 32 * 1024 * 1024

/** The layer is begun as soon as its cut is settled, and whoever reads it lazily reads its end first. */
const KEEP_MS = 10_000

interface Tail {
  readonly start: number
  readonly bytes: Uint8Array
}

/**
 * An origin that does not send the end of a layer a second time which was just read for its table of contents. What it gives
 * from memory is as unverified as what an origin sends. Owns those ends, for a while.
 */
export class ReadTails implements OriginSource {
  readonly #origin: OriginSource
  readonly #tails = new LRUCache<Digest, Tail>({
    maxSize: MAX_BYTES,
    sizeCalculation: ({ bytes }) => bytes.byteLength + 1,
    ttl: KEEP_MS,
    ttlAutopurge: true,
  })

  constructor(origin: OriginSource) {
    this.#origin = origin
  }

  /** `bytes` are those of the blob from `start` to its end. */
  note({ digest }: BlobRef, start: number, bytes: Uint8Array): void {
    this.#tails.set(digest, { start, bytes })
  }

  async *readBlob(
    ref: BlobRef,
    access: OriginAccess,
    { start, end }: { readonly start: number; readonly end: number },
    options: OriginReadOptions,
  ): AsyncGenerator<Uint8Array> {
    const tail = this.#tails.get(ref.digest)
    const fromTail = Math.max(start, tail?.start ?? end)
    if (start < fromTail) yield* this.#origin.readBlob(ref, access, { start, end: Math.min(fromTail, end) }, options)
    if (tail !== undefined && fromTail < end) yield tail.bytes.subarray(fromTail - tail.start, end - tail.start)
  }
}
