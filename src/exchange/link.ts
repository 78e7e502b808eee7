import type { ChunkLayout, SignedChunkMap } from '../chunking/index.ts'
import type { AbortOptions, BlobRef, Clock, Digest, OriginGrant, PeerRole } from '../core/index.ts'
import type { Buffers } from '../util/index.ts'
import { type LayoutOf, namedLayout } from './blob-layout.ts'
import { ControlClient } from './control-client.ts'
import { PeerClosedError, type PeerProtocolError } from './errors.ts'
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
  /** Opens the control stream. */
  readonly openControl: (options: AbortOptions) => Promise<Lane>
  /** Opens one more data lane; `bulkPort` is what the peer's hello said. */
  readonly openLane: (bulkPort: number | undefined, options: AttemptOptions) => Promise<OpenedLane>
  /** The link has ended; called once, with the reason unless the peer closed it in good order. */
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

  private constructor(
    hello: HelloMessage,
    control: ControlClient,
    controlLane: Lane,
    pool: LanePool,
    layoutOf: LayoutOf,
  ) {
    this.id = controlLane.peerId
    this.role = hello.role
    this.zone = hello.zone
    this.#control = control
    this.#controlLane = controlLane
    this.#pool = pool
    this.#layoutOf = layoutOf
  }

  /** Opens the control stream and exchanges hellos. */
  static async open(init: LinkInit, options: AbortOptions): Promise<Link> {
    const { limits, clock, metrics, buffers, layoutOf } = init
    const lane = await init.openControl(options)
    let bulkPort: number | undefined
    const openLane = async (lanes: AttemptOptions) => await init.openLane(bulkPort, lanes)
    const onBreach = (error: PeerProtocolError) => lane.abort(error)
    const pool = new LanePool({
      maxLanes: init.maxLanes,
      limits,
      clock,
      metrics,
      buffers,
      layoutOf,
      openLane,
      onBreach,
    })
    const onClosed = (error: Error | undefined) => {
      pool.close(error ?? new PeerClosedError('the peer closed its control stream'))
      init.onClosed(error)
    }
    const control = new ControlClient({ lane, limits, clock, metrics, layoutOf, onClosed })
    try {
      const hello = await control.greet(init.hello, options)
      bulkPort = hello.bulkPort
      return new Link(hello, control, lane, pool, layoutOf)
    } catch (error) {
      lane.abort(error instanceof Error ? error : new PeerClosedError('no hello', error))
      throw error
    }
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
