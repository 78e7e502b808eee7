import type { PeerState } from './peer-state.ts'

/** Which agent sent which chunk of one blob: whom to blame when the whole turns out wrong, or the origin says otherwise. */
export class Suspects {
  readonly #sentBy = new Map<number, { readonly peer: PeerState; readonly digest: Uint8Array }>()

  /** `peer` sent `chunk` with `digest`, and it was believed. */
  note(chunk: number, peer: PeerState, digest: Uint8Array): void {
    this.#sentBy.set(chunk, { peer, digest })
  }

  /** Somebody sure of it says that `chunk` has `digest`; the peer that had sent something else. */
  convict(chunk: number, digest: Uint8Array): PeerState | undefined {
    const sent = this.#sentBy.get(chunk)
    this.#sentBy.delete(chunk)
    return sent === undefined || Buffer.compare(sent.digest, digest) === 0 ? undefined : sent.peer
  }

  /** The peer that sent all of what agents sent; `undefined` when several did, or none. */
  get only(): PeerState | undefined {
    const peers = new Set([...this.#sentBy.values()].map(({ peer }) => peer.id))
    return peers.size === 1 ? this.#sentBy.values().next().value?.peer : undefined
  }
}
