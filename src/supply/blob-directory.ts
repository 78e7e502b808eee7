import type { Digest, PeerRef, Random } from '../core/index.ts'
import { MAX_READERS, rendezvousWeight } from '../scheduler/index.ts'

/** Peers remembered per blob: enough to introduce any newcomer to a random subset. */
const MAX_PEERS_PER_BLOB = 1_000

/** Blobs remembered; the least recently noted leaves first. */
const MAX_BLOBS = 20_000

/** A peer of a blob, and how near to it. */
interface Near {
  readonly peer: PeerRef
  readonly weight: number
}

/** The peers of one blob. */
interface BlobPeers {
  readonly byId: Map<string, PeerRef>
  /** Those nearest to the blob, the nearest first, once somebody asked: one more than are named, as who asks is left out. */
  nearest: Near[] | undefined
}

/**
 * Which peers have or fetch which blob, as they told us: followers and announcers. Soft state, gone with their
 * connection; what a tracker answers "who has this layer" from, and what an agent passes on.
 */
export class BlobDirectory {
  readonly #peersByBlob = new Map<Digest, BlobPeers>()
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  note(peer: PeerRef, digest: Digest): void {
    const peers = this.#peersByBlob.get(digest) ?? { byId: new Map(), nearest: undefined }
    // Set anew, so that the order of the map is the order of last use.
    this.#peersByBlob.delete(digest)
    this.#peersByBlob.set(digest, peers)
    const isKnown = peers.byId.has(peer.id)
    if (peers.byId.size >= MAX_PEERS_PER_BLOB && !isKnown) this.#dropOne(peers)
    peers.byId.set(peer.id, peer)
    if (isKnown) peers.nearest = peers.nearest?.map((near) => (near.peer.id === peer.id ? { ...near, peer } : near))
    else if (peers.nearest !== undefined) joinNearest(peers.nearest, peer, digest)
    for (const oldest of this.#peersByBlob.keys()) {
      if (this.#peersByBlob.size <= MAX_BLOBS) break
      this.#peersByBlob.delete(oldest)
    }
  }

  /** Anybody makes room for a newcomer: those who come last to a wave of thousands have to be named to somebody too. */
  #dropOne(peers: BlobPeers): void {
    let left = Math.floor(this.#random() * peers.byId.size)
    for (const id of peers.byId.keys()) if (left-- === 0) return removeFrom(peers, id)
  }

  forget(peerId: string, digest: Digest): void {
    const peers = this.#peersByBlob.get(digest)
    if (peers === undefined) return
    removeFrom(peers, peerId)
    if (peers.byId.size === 0) this.#peersByBlob.delete(digest)
  }

  forgetPeer(peerId: string): void {
    for (const digest of [...this.#peersByBlob.keys()]) this.forget(peerId, digest)
  }

  /** Up to `count` peers of `digest` taken at random, `exceptId` left out. */
  sample(digest: Digest, exceptId: string, count: number): PeerRef[] {
    const peers: PeerRef[] = []
    for (const peer of this.#peersByBlob.get(digest)?.byId.values() ?? []) if (peer.id !== exceptId) peers.push(peer)
    for (let i = 0; i < Math.min(count, peers.length); i++) {
      const j = i + Math.floor(this.#random() * (peers.length - i))
      const [a, b] = [peers[i], peers[j]]
      if (a !== undefined && b !== undefined) [peers[i], peers[j]] = [b, a]
    }
    return peers.slice(0, count)
  }

  /** As `sample`, but begins with those nearest to the blob, among whom duties are shared: everybody has to know the same ones. */
  introduce(digest: Digest, exceptId: string, count: number): PeerRef[] {
    const nearest = this.#nearest(digest, exceptId)
    const others = this.sample(digest, exceptId, count).filter((peer) => !nearest.includes(peer))
    return [...nearest, ...others].slice(0, count)
  }

  /** Whether `peerId` is one of those that everybody should know. */
  isNearest(peerId: string, digest: Digest): boolean {
    return this.#nearest(digest, '').some(({ id }) => id === peerId)
  }

  #nearest(digest: Digest, exceptId: string): PeerRef[] {
    const peers = this.#peersByBlob.get(digest)
    if (peers === undefined) return []
    if (peers.nearest === undefined) {
      peers.nearest = []
      for (const peer of peers.byId.values()) joinNearest(peers.nearest, peer, digest)
    }
    const others = peers.nearest.map(({ peer }) => peer).filter((peer) => peer.id !== exceptId)
    return others.slice(0, MAX_READERS)
  }

  get blobCount(): number {
    return this.#peersByBlob.size
  }
}

function joinNearest(nearest: Near[], peer: PeerRef, digest: Digest): void {
  const weight = rendezvousWeight(digest, peer.id)
  const place = nearest.findIndex((other) => other.weight < weight)
  nearest.splice(place < 0 ? nearest.length : place, 0, { peer, weight })
  nearest.length = Math.min(nearest.length, MAX_READERS + 1)
}

function removeFrom(peers: BlobPeers, peerId: string): void {
  peers.byId.delete(peerId)
  leaveNearest(peers, peerId)
}

/** Who is next in order is found when somebody asks. */
function leaveNearest(peers: BlobPeers, peerId: string): void {
  if (peers.nearest?.some(({ peer }) => peer.id === peerId) === true) peers.nearest = undefined
}
