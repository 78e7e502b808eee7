import type { AbortOptions, Digest, PeerRef } from '../../src/core/index.ts'
import type { DiscoveryNode } from '../../src/discovery/index.ts'
import type { ProviderRecords } from '../../src/p2p/index.ts'

type Listener = (peerId: string) => void

/** A node without a network: tests say who answers a dial, who is connected and what the DHT holds. */
export class FakeDiscoveryNode implements DiscoveryNode {
  readonly peerId = 'self'
  readonly providers = new FakeRecords()
  readonly reachable = new Set<string>()
  readonly banned = new Set<string>()
  /** PeerIds in the order in which they were dialled. */
  readonly dials: string[] = []
  lookCount = 0
  readonly #connected = new Set<string>()
  readonly #onConnected = new Set<Listener>()
  readonly #onDisconnected = new Set<Listener>()

  async connect(peer: PeerRef, options: AbortOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    if (this.#connected.has(peer.id)) return
    this.dials.push(peer.id)
    if (!this.reachable.has(peer.id)) throw new Error('unreachable')
    this.join(peer.id)
  }

  /** A connection to `peerId` comes about. */
  join(peerId: string): void {
    this.#connected.add(peerId)
    for (const listener of this.#onConnected) listener(peerId)
  }

  /** The connection to `peerId` is lost. */
  lose(peerId: string): void {
    this.#connected.delete(peerId)
    for (const listener of this.#onDisconnected) listener(peerId)
  }

  isConnected(peerId: string): boolean {
    return this.#connected.has(peerId)
  }

  connectedPeers(): readonly string[] {
    return [...this.#connected]
  }

  async addressesOf(peerId: string): Promise<readonly string[]> {
    return [`/dns4/${peerId.toLowerCase()}/tcp/4001`]
  }

  isBanned(peerId: string): boolean {
    return this.banned.has(peerId)
  }

  async protect(): Promise<void> {}

  async lookAround(): Promise<void> {
    this.lookCount++
  }

  onPeerConnected(listener: Listener): () => void {
    this.#onConnected.add(listener)
    return () => void this.#onConnected.delete(listener)
  }

  onPeerDisconnected(listener: Listener): () => void {
    this.#onDisconnected.add(listener)
    return () => void this.#onDisconnected.delete(listener)
  }
}

/** Provider records whose walks are fed by hand. */
export class FakeRecords implements ProviderRecords {
  /** How many peers a provide reaches. */
  reach = 1
  readonly provided: Digest[] = []
  readonly withdrawn: Digest[] = []
  readonly forgotten: string[] = []
  readonly walks: FakeWalk[] = []

  async provide(digest: Digest, options: AbortOptions = {}): Promise<number> {
    options.signal?.throwIfAborted()
    this.provided.push(digest)
    return this.reach
  }

  async unprovide(digest: Digest): Promise<void> {
    this.withdrawn.push(digest)
  }

  findProviders(_digest: Digest, options: AbortOptions = {}): AsyncIterable<PeerRef> {
    const walk = new FakeWalk(options.signal)
    this.walks.push(walk)
    return walk.peers()
  }

  async forget(_digest: Digest, peerId: string): Promise<void> {
    this.forgotten.push(peerId)
  }
}

/** One walk in progress. */
export class FakeWalk {
  readonly signal: AbortSignal | undefined
  readonly #queue: PeerRef[] = []
  #isOver = false
  #changed = Promise.withResolvers<void>()

  constructor(signal: AbortSignal | undefined) {
    this.signal = signal
    signal?.addEventListener('abort', () => this.#changed.resolve())
  }

  find(...peerIds: string[]): void {
    this.#queue.push(...peerIds.map((id) => ({ id, addresses: [] })))
    this.#changed.resolve()
  }

  end(): void {
    this.#isOver = true
    this.#changed.resolve()
  }

  async *peers(): AsyncIterable<PeerRef> {
    for (;;) {
      this.signal?.throwIfAborted()
      const peer = this.#queue.shift()
      if (peer !== undefined) yield peer
      else if (this.#isOver) return
      else {
        await this.#changed.promise
        this.#changed = Promise.withResolvers()
      }
    }
  }
}
