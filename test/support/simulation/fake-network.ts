import type { BlobRef, PeerRef, PeerRole } from '../../../src/core/index.ts'
import { PeerClosedError } from '../../../src/core/index.ts'
import type { FollowEvents, PeerLink, PeerNetwork } from '../../../src/scheduler/index.ts'

/** One following that a test drives by hand. */
export interface FakeFollowing {
  readonly peerId: string
  readonly events: FollowEvents
  isClosed: boolean
}

/** A network of peers that do nothing but be followed. */
export class FakeNetwork implements PeerNetwork {
  readonly followings: FakeFollowing[] = []
  readonly dialled: string[] = []
  readonly punished: string[] = []
  readonly unreachable = new Set<string>()
  readonly #trackerIds: readonly string[]

  constructor(trackerIds: readonly string[] = []) {
    this.#trackerIds = trackerIds
  }

  async connect(peer: PeerRef): Promise<PeerLink> {
    this.dialled.push(peer.id)
    if (this.unreachable.has(peer.id)) throw new PeerClosedError(`${peer.id} is not there`)
    const role: PeerRole = this.#trackerIds.includes(peer.id) ? 'tracker' : 'agent'
    return { id: peer.id, role, zone: '', follow: (ref, _origins, events) => this.#follow(peer.id, ref, events) }
  }

  trackers(): readonly PeerRef[] {
    return this.#trackerIds.map(peerRef)
  }

  neighbours(): readonly PeerRef[] {
    return []
  }

  punish(peerId: string): void {
    this.punished.push(peerId)
  }

  /** The following of `peerId` that is open. */
  open(peerId: string): FakeFollowing | undefined {
    return this.followings.find((following) => following.peerId === peerId && !following.isClosed)
  }

  /** The peer says that nothing more will come. */
  leave(peerId: string): void {
    const following = this.open(peerId)
    if (following !== undefined) this.#end(following)
  }

  #follow(peerId: string, _ref: BlobRef, events: FollowEvents) {
    const following: FakeFollowing = { peerId, events, isClosed: false }
    this.followings.push(following)
    return {
      request: async () => {
        throw new PeerClosedError('fakes have no chunks')
      },
      requestMap: async () => undefined,
      close: () => this.#end(following),
    }
  }

  #end(following: FakeFollowing): void {
    if (following.isClosed) return
    following.isClosed = true
    following.events.onClosed()
  }
}

export function peerRef(id: string): PeerRef {
  return { id, addresses: [] }
}
