import { isAbort, type PeerRef } from '../core/index.ts'
import type { Exchange } from '../exchange/index.ts'
import type { P2pNode } from '../p2p/index.ts'
import { TaskGroup } from '../scheduler/index.ts'
import type { Logger } from '../telemetry/index.ts'

export interface TrackerLinksComponents {
  readonly node: P2pNode
  readonly exchange: Exchange
  readonly logger: Logger
  /** A tracker is not connected any more. */
  readonly onLeft: () => void
}

/** Keeps an exchange link with every tracker that is connected, so that it knows what we hold before anybody asks, also after it restarted. */
export class TrackerLinks {
  readonly #trackers: ReadonlyMap<string, PeerRef>
  readonly #components: TrackerLinksComponents
  readonly #tasks = new TaskGroup()
  #unlisten: (() => void)[] = []

  constructor(trackers: readonly PeerRef[], components: TrackerLinksComponents) {
    this.#trackers = new Map(trackers.map((tracker) => [tracker.id, tracker]))
    this.#components = components
  }

  start(): void {
    const { node } = this.#components
    this.#unlisten = [
      node.onPeerConnected((peerId) => this.#link(peerId)),
      node.onPeerDisconnected((peerId) => {
        if (this.#trackers.has(peerId)) this.#components.onLeft()
      }),
    ]
    for (const peerId of node.connectedPeers()) this.#link(peerId)
  }

  async stop(): Promise<void> {
    for (const unlisten of this.#unlisten) unlisten()
    await this.#tasks.close()
  }

  #link(peerId: string): void {
    const tracker = this.#trackers.get(peerId)
    if (tracker === undefined) return
    this.#tasks.run(async (signal) => {
      try {
        await this.#components.exchange.connect(tracker, { signal })
      } catch (error) {
        if (!isAbort(error))
          this.#components.logger.debug({ peer: peerId, err: error }, 'no exchange with the tracker yet')
      }
    })
  }
}
