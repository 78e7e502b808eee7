import { LRUCache } from 'lru-cache'
import type { Digest } from '../core/index.ts'

/** Layers a node has mounted or pulls at one time, many times over (about 100 bytes each). */
const MAX_ENTRIES = 8192

/** The blobs this process has answered 2xx to a client that will not go elsewhere for them any more. */
export class AcceptedBlobs {
  readonly #digests = new LRUCache<Digest, true>({ max: MAX_ENTRIES })

  note(digest: Digest): void {
    this.#digests.set(digest, true)
  }

  has(digest: Digest): boolean {
    return this.#digests.get(digest) === true
  }
}
