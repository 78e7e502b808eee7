import type { ChunkLayout, SignedChunkMap } from '../chunking/index.ts'
import type { AbortOptions, BlobRef, Clock, Digest, OriginGrant, PeerRole } from '../core/index.ts'
import type { Buffers } from '../util/index.ts'
import { type LayoutOf, namedLayout } from './blob-layout.ts'
import type { ControlClient } from './control-client.ts'
import { type OpenedControl, openControl } from './control-opening.ts'
import { PeerClosedError, PeerProtocolError } from './errors.ts'
import type { Following, FollowEvents, PeerLink, ReceivedChunk, RequestOptions } from './follow-events.ts'
import type { Lane } from './lane.ts'
import { LanePool, type OpenedLane } from './lane-pool.ts'
import type { ExchangeLimits } from './limits.ts'
import type { HelloMessage } from './messages.ts'
import type { ExchangeMetrics } from './metrics.ts'
import type { AttemptOptions } from './tls-attempts.ts'

export interface LinkInit {
  readonly hello: HelloMessage
  readonly maxLanes: number
  readonly limits: ExchangeLimits
  readonly clock: Clock
  readonly metrics: ExchangeMetrics
  /** For the chunks that come. */
  readonly buffers: Buffers
  /** Where blobs are cut here. */
  readonly layoutOf: LayoutOf
  /** Opens a control stream as a libp2p stream. */
  readonly openControl: (options: AbortOptions) => Promise<Lane>
  /** Opens a control stream over TLS; `undefined` when the port cannot be used now. */
  readonly openFastControl: (bulkPort: number, options: AbortOptions) => Promise<Lane | undefined>
  /** Opens one more data lane; `bulkPort` is what the peer's hello said. */
  readonly openLane: (bulkPort: number | undefined, options: AttemptOptions) => Promise<OpenedLane>
  /**
   * The link has ended, with the reason unless the peer closed it in good order; called once. Of one that could not be
   * opened only a breach of the protocol is told.
   */
  readonly onClosed: (error: Error | undefined) => void
}

/** Our side of what we want of one peer: a control stream and the data lanes next to it. */
export class Link implements PeerLink {
  readonly id: string
  readonly role: PeerRole
  readonly zone: string
  readonly #control: ControlClient
  readonly #controlLane: Lane
  readonly #pool: LanePool
  readonly #layoutOf: LayoutOf

  private constructor({ lane, client, hello }: OpenedControl, pool: LanePool, layoutOf: LayoutOf) {
    this.id = lane.peerId
    this.role = hello.role
    this.zone = hello.zone
    this.#control = client
    this.#controlLane = lane
    this.#pool = pool
    this.#layoutOf = layoutOf
  }

  /** Opens the control stream and exchanges hellos. */
  static async open(init: LinkInit, options: AbortOptions): Promise<Link> {
    const opened: { link?: Link } = {}
    const onClosed = (lane: Lane, error: Error | undefined) => {
      const { link } = opened
      const hasEnded = link === undefined ? error instanceof PeerProtocolError : lane === link.#controlLane
      if (!hasEnded) return
      if (link !== undefined) link.#pool.close(error ?? new PeerClosedError('the peer closed its control stream'))
      init.onClosed(error)
    }
    const control = await openControl({ ...init, onClosed }, options)
    const pool = new LanePool({
      ...init,
      openLane: async (lanes) => await init.openLane(control.hello.bulkPort, lanes),
      onBreach: (error) => control.lane.abort(error),
    })
    opened.link = new Link(control, pool, init.layoutOf)
    return opened.link
  }

  get isClosed(): boolean {
    return this.#controlLane.isClosed
  }

  get laneCount(): number {
    return this.#pool.laneCount
  }

  follow(ref: BlobRef, origins: readonly OriginGrant[], events: FollowEvents): Following {
    const layout = this.#layoutOf(ref)
    const leave = this.#control.follow(ref, origins, events)
    return {
      request: (chunk, options) => this.#request(ref, layout, chunk, options),
      requestMap: (options): Promise<SignedChunkMap | undefined> => this.#control.requestMap(ref, options),
      close: leave,
    }
  }

  /** Tells the peer what this process holds some of, or no longer holds any of. */
  announce(digests: readonly Digest[], isHeld: boolean): void {
    this.#control.announce(digests, isHeld)
  }

  close(): void {
    this.#controlLane.close()
  }

  abort(error: Error): void {
    this.#controlLane.abort(error)
  }

  async finished(): Promise<void> {
    await this.#control.finished()
    await this.#pool.finished()
  }

  async #request(
    ref: BlobRef,
    layout: ChunkLayout,
    chunk: number | 'any',
    options: RequestOptions,
  ): Promise<ReceivedChunk> {
    if (chunk !== 'any') layout.lengthOf(chunk)
    const { urgency = 'soon' } = options
    return await this.#pool.request({ kind: 'want', ref, chunk, urgency, ...namedLayout(layout) }, options)
  }
}
