import type { PeerRef } from '../core/index.ts'
import { MAX_HAVE_CHUNKS, MAX_PEERS_PER_MESSAGE } from './limits.ts'
import type { PublisherMessage } from './messages.ts'
import type { Publisher, Subscription } from './ports.ts'

export interface PublishedFollowInit {
  readonly follow: number
  /** There is something to tell: at once, or together with what else comes in the next milliseconds. */
  readonly onNews: (follow: PublishedFollow, isUrgent: boolean) => void
  /** The follow is over: `isOurs` when we said `gone`, not when the follower left. Whoever is refused is still told of `lastPeers`. */
  readonly onEnded: (follow: PublishedFollow, isOurs: boolean, lastPeers: readonly PeerRef[] | undefined) => void
}

/**
 * What is still to be told to one follower about one blob. Bounded by the blob: news replace or join what waits, so a
 * follower that reads slowly gets fewer and larger messages.
 */
export class PublishedFollow implements Publisher {
  readonly #init: PublishedFollowInit
  readonly #have = new Map<number, Uint8Array>()
  #bits: Uint8Array | undefined
  #peers: readonly PeerRef[] | undefined
  #subscription: Subscription | undefined
  #isEnded = false

  constructor(init: PublishedFollowInit) {
    this.#init = init
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  get follow(): number {
    return this.#init.follow
  }

  bitfield(bits: Uint8Array): void {
    if (this.#isEnded) return
    this.#bits = bits.slice()
    this.#init.onNews(this, true)
  }

  have(chunks: readonly number[], digests: readonly Uint8Array[]): void {
    if (this.#isEnded) return
    for (const [index, chunk] of chunks.entries()) {
      const digest = digests[index]
      if (digest === undefined) throw new RangeError(`${chunks.length} chunks with ${digests.length} digests`)
      this.#have.set(chunk, digest)
    }
    this.#init.onNews(this, false)
  }

  peers(peers: readonly PeerRef[]): void {
    if (this.#isEnded || peers.length === 0) return
    const known = new Map((this.#peers ?? []).map((peer) => [peer.id, peer]))
    for (const peer of peers) known.set(peer.id, peer)
    this.#peers = [...known.values()].slice(-MAX_PEERS_PER_MESSAGE)
    this.#init.onNews(this, false)
  }

  gone(): void {
    this.#end(true)
  }

  /** Keeps the supply's subscription to be closed with this; closes it at once when this has ended already. */
  attach(subscription: Subscription): void {
    if (this.#isEnded) subscription.close()
    else this.#subscription = subscription
  }

  /** Ends the follow after the follower left; does nothing the second time. */
  close(): void {
    this.#end(false)
  }

  /** The next message to send; `undefined` when everything was told. */
  take(): PublisherMessage | undefined {
    return this.#takeBits() ?? this.#takeHave() ?? this.#takePeers()
  }

  #end(isOurs: boolean): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const lastPeers = this.#peers
    this.#bits = undefined
    this.#peers = undefined
    this.#have.clear()
    this.#init.onEnded(this, isOurs, lastPeers)
    this.#subscription?.close()
  }

  #takeBits(): PublisherMessage | undefined {
    const bits = this.#bits
    this.#bits = undefined
    return bits === undefined ? undefined : { kind: 'bitfield', follow: this.follow, bits }
  }

  #takeHave(): PublisherMessage | undefined {
    if (this.#have.size === 0) return undefined
    const chunks: number[] = []
    const digests: Uint8Array[] = []
    for (const [chunk, digest] of this.#have) {
      if (chunks.length === MAX_HAVE_CHUNKS) break
      chunks.push(chunk)
      digests.push(digest)
      this.#have.delete(chunk)
    }
    return { kind: 'have', follow: this.follow, chunks, digests }
  }

  #takePeers(): PublisherMessage | undefined {
    const peers = this.#peers
    this.#peers = undefined
    return peers === undefined ? undefined : { kind: 'peers', follow: this.follow, peers }
  }
}
