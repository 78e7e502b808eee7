import { Bitfield } from '../chunking/index.ts'
import type { BlobRef, PeerRef } from '../core/index.ts'
import type { Publisher } from '../exchange/index.ts'
import type { StoredBlob } from '../scheduler/index.ts'

/** Chunks named with their digests in one message: 512 digests are 16 KiB, well below the frame limit. */
const HAVE_BATCH = 512

interface Follower {
  readonly publisher: Publisher
  readonly peerId: string
}

/** One blob as its followers see it: who follows, and the pinned blob they are served from. */
export class Publication {
  readonly ref: BlobRef
  /** How the blob was cut when the first follower came; with another cut its followers would take us for liars. */
  readonly layout: string
  /** When somebody last followed it or asked for some of it. */
  usedAtMs = 0
  readonly #followers = new Map<Publisher, Follower>()
  #blob: StoredBlob | undefined
  #isClosed = false

  constructor(ref: BlobRef, layout: string) {
    this.ref = ref
    this.layout = layout
  }

  get blob(): StoredBlob | undefined {
    return this.#blob
  }

  get followerCount(): number {
    return this.#followers.size
  }

  follow(peer: PeerRef, publisher: Publisher): void {
    this.#followers.set(publisher, { publisher, peerId: peer.id })
    this.#tell(publisher)
  }

  /** Names `peer` to all other followers. */
  introduce(peer: PeerRef): void {
    for (const { publisher, peerId } of this.#followers.values()) if (peerId !== peer.id) publisher.peers([peer])
  }

  unfollow(publisher: Publisher): void {
    this.#followers.delete(publisher)
  }

  /** Serves from `blob` from now on and tells everybody what it holds; the publication owns the pin. */
  serveFrom(blob: StoredBlob): void {
    if (this.#blob !== undefined || this.#isClosed) {
      blob.release()
      return
    }
    this.#blob = blob
    for (const publisher of this.#followers.keys()) this.#tell(publisher)
  }

  /** Tells of one more chunk, but for those who are known to hold it. */
  held(chunk: number, digest: Uint8Array, isHeldBy: (peerId: string) => boolean): void {
    const [chunks, digests] = [[chunk], [digest]]
    for (const { publisher, peerId } of this.#followers.values()) if (!isHeldBy(peerId)) publisher.have(chunks, digests)
  }

  close(): void {
    this.#isClosed = true
    for (const publisher of this.#followers.keys()) publisher.gone()
    this.#followers.clear()
    this.#blob?.release()
    this.#blob = undefined
  }

  #tell(publisher: Publisher): void {
    const blob = this.#blob
    if (blob === undefined) return
    const held = new Bitfield(blob.layout.chunkCount)
    for (let chunk = 0; chunk < blob.layout.chunkCount; chunk++) if (blob.has(chunk)) held.set(chunk)
    publisher.bitfield(held.toBytes())
    if (blob.map === undefined) this.#tellDigests(publisher, blob)
  }

  /** Without a map yet, the digests of what is held go along, for followers to believe or compare. */
  #tellDigests(publisher: Publisher, blob: StoredBlob): void {
    let chunks: number[] = []
    let digests: Uint8Array[] = []
    for (let chunk = 0; chunk < blob.layout.chunkCount; chunk++) {
      const digest = blob.digestAt(chunk)
      if (digest === undefined) continue
      chunks.push(chunk)
      digests.push(digest)
      if (chunks.length < HAVE_BATCH) continue
      publisher.have(chunks, digests)
      chunks = []
      digests = []
    }
    if (chunks.length > 0) publisher.have(chunks, digests)
  }
}
