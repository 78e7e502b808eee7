import type { ChunkLayout, SignedChunkMap } from '../chunking/index.ts'
import type { AbortOptions, BlobRef, Digest, OriginGrant, PeerRole } from '../core/index.ts'
import type { Buffers } from '../util/index.ts'
import { type LayoutOf, namedLayout } from './blob-layout.ts'
import { PeerClosedError } from './errors.ts'
import type { Following, FollowEvents, PeerLink, ReceivedChunk, RequestOptions } from './follow-events.ts'
import { LanePool, type OpenedLane } from './lane-pool.ts'
import { LinkControl, type LinkControlInit } from './link-control.ts'
import type { AttemptOptions } from './tls-attempts.ts'

export interface LinkInit extends LinkControlInit {
  readonly maxLanes: number
  /** For the chunks that come. */
  readonly buffers: Buffers
  /** Opens one more data lane; `bulkPort` is what the peer's hello said. */
  readonly openLane: (bulkPort: number | undefined, options: AttemptOptions) => Promise<OpenedLane>
}

/** Our side of what we want of one peer: a control stream and the data lanes next to it. */
export class Link implements PeerLink {
  readonly id: string
  readonly role: PeerRole
  readonly zone: string
  readonly #control: LinkControl
  readonly #pool: LanePool
  readonly #layoutOf: LayoutOf

  private constructor(control: LinkControl, pool: LanePool, layoutOf: LayoutOf) {
    this.id = control.peerId
    this.role = control.hello.role
    this.zone = control.hello.zone
    this.#control = control
    this.#pool = pool
    this.#layoutOf = layoutOf
  }

  /** Opens the control stream and exchanges hellos. */
  static async open(init: LinkInit, options: AbortOptions): Promise<Link> {
    const opened: { link?: Link } = {}
    const onClosed = (error: Error | undefined) => {
      if (opened.link !== undefined)
        opened.link.#pool.close(error ?? new PeerClosedError('the peer closed its control stream'))
      init.onClosed(error)
    }
    const control = await LinkControl.open({ ...init, onClosed }, options)
    const pool = new LanePool({
      ...init,
      openLane: async (lanes) => {
        const isFastUp = () => control.isFast || lanes.isFastUp()
        return await init.openLane(control.hello.bulkPort, { ...lanes, isFastUp })
      },
      onBreach: (error) => control.abort(error),
    })
    opened.link = new Link(control, pool, init.layoutOf)
    return opened.link
  }

  get isClosed(): boolean {
    return this.#control.isClosed
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
    this.#control.close()
  }

  abort(error: Error): void {
    this.#control.abort(error)
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
