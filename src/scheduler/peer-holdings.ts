import type { SignedChunkMap } from '../chunking/index.ts'
import type { Clock, PeerRole } from '../core/index.ts'
import type { ChunkBoard } from './chunk-board.ts'
import type { DigestTrust } from './digest-trust.ts'
import type { DownloadDuties } from './download-duties.ts'
import type { MapSeeker } from './map-seeker.ts'
import type { PeerState } from './peer-state.ts'

export interface PeerHoldingsComponents {
  readonly board: ChunkBoard
  readonly trust: DigestTrust
  readonly duties: DownloadDuties
  readonly maps: MapSeeker
  readonly clock: Clock
}

/** Takes in what followed peers say that they hold: counts copies, hears claims of digests, asks for maps. */
export class PeerHoldings {
  readonly #role: PeerRole
  readonly #chunkCount: number
  readonly #components: PeerHoldingsComponents
  readonly #onMap: () => void

  /** `onMap` is called when a peer has sent its map. */
  constructor(role: PeerRole, chunkCount: number, components: PeerHoldingsComponents, onMap: () => void) {
    this.#role = role
    this.#chunkCount = chunkCount
    this.#components = components
    this.#onMap = onMap
  }

  /** `peer` holds `chunks`; `digests` is what it says of them, empty when it said only that it holds them. */
  gained(peer: PeerState, chunks: readonly number[], digests: readonly Uint8Array[]): void {
    const { board, trust, duties, clock } = this.#components
    const nowMs = clock.now()
    const isCounted = this.#isCounted(peer)
    let index = 0
    for (const chunk of chunks) {
      if (!peer.holds(chunk)) duties.gained(peer, chunk, nowMs)
      if (peer.gains(chunk) && isCounted) board.addCopy(chunk)
      const digest = digests[index++]
      if (digest === undefined) continue
      if (peer.role === 'tracker') trust.vouch(chunk, digest)
      else trust.claim(peer.id, chunk, digest)
    }
    if (chunks.length > 0) this.#seekMap(peer)
  }

  left(peer: PeerState): void {
    if (!this.#isCounted(peer)) return
    for (let chunk = 0; chunk < this.#chunkCount; chunk++)
      if (peer.holds(chunk)) this.#components.board.removeCopy(chunk)
  }

  /** A tracker's copies count for other trackers: to agents it gives what it thinks best. */
  #isCounted(peer: PeerState): boolean {
    return peer.role === 'agent' || this.#role === 'tracker'
  }

  #seekMap(peer: PeerState): void {
    const { trust, maps } = this.#components
    if (trust.isWhole) return
    maps.ask(peer, (map: SignedChunkMap) => {
      trust.offerMap(map)
      this.#onMap()
    })
  }
}
