import { Bitfield } from '../chunking/index.ts'
import type { BlobRef, Clock, PeerRef, PeerRole, Timer } from '../core/index.ts'
import type { Publisher, RemotePeer } from '../exchange/index.ts'
import type { StoredBlob } from '../scheduler/index.ts'

/** Chunks named with their digests in one message: 512 digests are 16 KiB, well below the frame limit. */
const HAVE_BATCH = 512

/** A chunk that this many others hold is common: whoever lacks it knows whom to ask, and can hear later of one more. */
const COMMON_COPIES = 4

/** How late followers hear of common chunks, several at a time; what they have got meanwhile they are not told. */
const COMMON_LATE_MS = 400

interface Follower {
  readonly publisher: Publisher
  readonly peerId: string
  readonly role: PeerRole
}

export interface PublicationComponents {
  /** Whether a follower is known to hold a chunk. */
  readonly isHeldBy: (peerId: string, chunk: number) => boolean
  /** Others known to hold it. */
  readonly copiesOf: (chunk: number) => number
  readonly clock: Clock
}

/** One blob as its followers see it: who follows, and the pinned blob they are served from. */
export class Publication {
  readonly ref: BlobRef
  /** How the blob was cut when the first follower came; with another cut its followers would take us for liars. */
  readonly layout: string
  /** When somebody last followed it or asked for some of it. */
  usedAtMs = 0
  readonly #followers = new Map<Publisher, Follower>()
  readonly #components: PublicationComponents
  #blob: StoredBlob | undefined
  #common: { chunks: number[]; digests: Uint8Array[]; timer: Timer } | undefined
  #isClosed = false

  constructor(ref: BlobRef, layout: string, components: PublicationComponents) {
    this.ref = ref
    this.layout = layout
    this.#components = components
  }

  get blob(): StoredBlob | undefined {
    return this.#blob
  }

  get followerCount(): number {
    return this.#followers.size
  }

  follow(peer: RemotePeer, publisher: Publisher): void {
    this.#followers.set(publisher, { publisher, peerId: peer.id, role: peer.role })
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

  /**
   * Tells of one more chunk, but for those who are known to hold it. Of a common one only trackers are told at once, who
   * choose by it what to send.
   */
  held(chunk: number, digest: Uint8Array): void {
    const isCommon = this.#components.copiesOf(chunk) >= COMMON_COPIES
    this.#news([chunk], [digest], ({ role }) => !isCommon || role === 'tracker')
    if (isCommon) this.#tellLater(chunk, digest)
  }

  #tellLater(chunk: number, digest: Uint8Array): void {
    this.#common ??= {
      chunks: [],
      digests: [],
      timer: this.#components.clock.after(COMMON_LATE_MS, () => {
        const { chunks, digests } = this.#common ?? { chunks: [], digests: [] }
        this.#common = undefined
        this.#news(chunks, digests, ({ role }) => role !== 'tracker')
      }),
    }
    this.#common.chunks.push(chunk)
    this.#common.digests.push(digest)
  }

  #news(chunks: readonly number[], digests: readonly Uint8Array[], to: (follower: Follower) => boolean): void {
    const { isHeldBy } = this.#components
    for (const follower of this.#followers.values()) {
      if (!to(follower)) continue
      const isNews = (chunk: number) => !isHeldBy(follower.peerId, chunk)
      const ofNews = (_: unknown, index: number) => isNews(chunks[index] ?? 0)
      const news = chunks.filter(isNews)
      if (news.length > 0) follower.publisher.have(news, digests.filter(ofNews))
    }
  }

  close(): void {
    this.#isClosed = true
    this.#common?.timer.clear()
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
