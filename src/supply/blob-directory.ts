import type { Digest, PeerRef, Random } from '../core/index.ts'

/** Peers remembered per blob: enough to introduce any newcomer to a random subset. */
const MAX_PEERS_PER_BLOB = 1_000

/** Blobs remembered; the least recently noted leaves first. */
const MAX_BLOBS = 20_000

/**
 * Which peers have or fetch which blob, as they told us: followers and announcers. Soft state, gone with their
 * connection; what a tracker answers "who has this layer" from, and what an agent passes on.
 */
export class BlobDirectory {
  readonly #peersByBlob = new Map<Digest, Map<string, PeerRef>>()
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  note(peer: PeerRef, digest: Digest): void {
    const peers = this.#peersByBlob.get(digest) ?? new Map<string, PeerRef>()
    // Set anew, so that the order of the map is the order of last use.
    this.#peersByBlob.delete(digest)
    this.#peersByBlob.set(digest, peers)
    if (peers.size < MAX_PEERS_PER_BLOB || peers.has(peer.id)) peers.set(peer.id, peer)
    for (const oldest of this.#peersByBlob.keys()) {
      if (this.#peersByBlob.size <= MAX_BLOBS) break
      this.#peersByBlob.delete(oldest)
    }
  }

  forget(peerId: string, digest: Digest): void {
    const peers = this.#peersByBlob.get(digest)
    peers?.delete(peerId)
    if (peers?.size === 0) this.#peersByBlob.delete(digest)
  }

  forgetPeer(peerId: string): void {
    for (const digest of [...this.#peersByBlob.keys()]) this.forget(peerId, digest)
  }

  /** Up to `count` peers of `digest` taken at random, `exceptId` left out. */
  sample(digest: Digest, exceptId: string, count: number): PeerRef[] {
    const peers = [...(this.#peersByBlob.get(digest)?.values() ?? [])].filter((peer) => peer.id !== exceptId)
    for (let i = 0; i < Math.min(count, peers.length); i++) {
      const j = i + Math.floor(this.#random() * (peers.length - i))
      const [a, b] = [peers[i], peers[j]]
      if (a !== undefined && b !== undefined) [peers[i], peers[j]] = [b, a]
    }
    return peers.slice(0, count)
  }

  get blobCount(): number {
    return this.#peersByBlob.size
  }
}
