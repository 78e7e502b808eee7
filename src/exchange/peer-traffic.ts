import type { LaneTraffic } from './lane.ts'

/** Bytes of frames to and from one peer, as this process sees it. */
export interface TrafficCount {
  bytesIn: number
  bytesOut: number
}

/** Counts frames by peer, for as long as the peer is connected, and in all. */
export class PeerTraffic {
  readonly #total: LaneTraffic
  readonly #byPeer = new Map<string, TrafficCount>()

  constructor(total: LaneTraffic) {
    this.#total = total
  }

  /** What the lanes with `peerId` report to. */
  of(peerId: string): LaneTraffic {
    const count = this.#byPeer.get(peerId) ?? { bytesIn: 0, bytesOut: 0 }
    this.#byPeer.set(peerId, count)
    return {
      received: (bytes) => {
        count.bytesIn += bytes
        this.#total.received(bytes)
      },
      sent: (bytes) => {
        count.bytesOut += bytes
        this.#total.sent(bytes)
      },
    }
  }

  forget(peerId: string): void {
    this.#byPeer.delete(peerId)
  }

  entries(): Iterable<[string, Readonly<TrafficCount>]> {
    return this.#byPeer
  }
}
