import type { Digest, PeerRef, Random } from '../core/index.ts'
import { MAX_READERS, rendezvousWeight } from '../scheduler/index.ts'

/** Peers remembered per blob: enough to introduce any newcomer to a random subset. */
const MAX_PEERS_PER_BLOB = 1_000

/** Blobs remembered; the least recently noted leaves first. */
const MAX_BLOBS = 20_000

/** A peer of a blob, and how near to it, once somebody asked. */
interface Known {
  readonly peer: PeerRef
  weight?: number
}

/**
 * Which peers have or fetch which blob, as they told us: followers and announcers. Soft state, gone with their
 * connection; what a tracker answers "who has this layer" from, and what an agent passes on.
 */
export class BlobDirectory {
  readonly #peersByBlob = new Map<Digest, Map<string, Known>>()
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  note(peer: PeerRef, digest: Digest): void {
    const peers = this.#peersByBlob.get(digest) ?? new Map<string, Known>()
    // Set anew, so that the order of the map is the order of last use.
    this.#peersByBlob.delete(digest)
    this.#peersByBlob.set(digest, peers)
    if (peers.size >= MAX_PEERS_PER_BLOB && !peers.has(peer.id)) this.#dropOne(peers)
    const weight = peers.get(peer.id)?.weight
    peers.set(peer.id, weight === undefined ? { peer } : { peer, weight })
    for (const oldest of this.#peersByBlob.keys()) {
      if (this.#peersByBlob.size <= MAX_BLOBS) break
      this.#peersByBlob.delete(oldest)
    }
  }

  /** Anybody makes room for a newcomer: those who come last to a wave of thousands have to be named to somebody too. */
  #dropOne(peers: Map<string, Known>): void {
    let left = Math.floor(this.#random() * peers.size)
    for (const id of peers.keys()) if (left-- === 0) return void peers.delete(id)
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
    const known = [...(this.#peersByBlob.get(digest)?.values() ?? [])]
    const peers = known.map(({ peer }) => peer).filter((peer) => peer.id !== exceptId)
    for (let i = 0; i < Math.min(count, peers.length); i++) {
      const j = i + Math.floor(this.#random() * (peers.length - i))
      const [a, b] = [peers[i], peers[j]]
      if (a !== undefined && b !== undefined) [peers[i], peers[j]] = [b, a]
    }
    return peers.slice(0, count)
  }

  /** As `sample`, but begins with those nearest to the blob, among whom duties are shared: everybody has to know the same ones. */
  introduce(digest: Digest, exceptId: string, count: number): PeerRef[] {
    const nearest = this.#nearest(digest, exceptId).map(({ peer }) => peer)
    const others = this.sample(digest, exceptId, count).filter((peer) => !nearest.includes(peer))
    return [...nearest, ...others].slice(0, count)
  }

  /** Whether `peerId` is one of those that everybody should know. */
  isNearest(peerId: string, digest: Digest): boolean {
    return this.#nearest(digest, '').some(({ peer }) => peer.id === peerId)
  }

  #nearest(digest: Digest, exceptId: string): Known[] {
    const weightOf = (known: Known) => (known.weight ??= rendezvousWeight(digest, known.peer.id))
    return [...(this.#peersByBlob.get(digest)?.values() ?? [])]
      .filter(({ peer }) => peer.id !== exceptId)
      .sort((a, b) => weightOf(b) - weightOf(a))
      .slice(0, MAX_READERS)
  }

  get blobCount(): number {
    return this.#peersByBlob.size
  }
}
