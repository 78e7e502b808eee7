import type { SignedChunkMap } from '../chunking/index.ts'
import type { AbortOptions, BlobRef, Digest, OriginGrant } from '../core/index.ts'
import { ControlClient } from './control-client.ts'
import { type ControlOpeningInit, type OpenedControl, openControl } from './control-opening.ts'
import { PeerClosedError, PeerProtocolError } from './errors.ts'
import type { FollowEvents } from './follow-events.ts'
import type { Lane } from './lane.ts'
import type { HelloMessage } from './messages.ts'

export interface LinkControlInit extends Omit<ControlOpeningInit, 'onClosed'> {
  /**
   * It has ended, with the reason unless the peer closed it in good order; called once. Of one that could not be opened
   * only a breach of the protocol is told.
   */
  readonly onClosed: (error: Error | undefined) => void
  /** It has moved, and the peer has forgotten what was announced. */
  readonly onMoved: () => void
}

/**
 * The control stream of a link. One that could not be opened over TLS in time moves there later, while nothing is followed:
 * opening -> libp2p -> TLS, or opening -> TLS.
 */
export class LinkControl {
  readonly #init: LinkControlInit
  #current: OpenedControl
  #isMoving = false

  private constructor(init: LinkControlInit, current: OpenedControl) {
    this.#init = init
    this.#current = current
  }

  /** Opens it and exchanges hellos. Throws as `openControl` does. */
  static async open(init: LinkControlInit, options: AbortOptions): Promise<LinkControl> {
    const opened: { control?: LinkControl } = {}
    const onClosed = (lane: Lane, error: Error | undefined) => {
      const { control } = opened
      if (control !== undefined) control.#onClosed(lane, error)
      else if (error instanceof PeerProtocolError) init.onClosed(error)
    }
    opened.control = new LinkControl(init, await openControl({ ...init, onClosed }, options))
    return opened.control
  }

  get peerId(): string {
    return this.#current.lane.peerId
  }

  /** What the peer said of itself. */
  get hello(): HelloMessage {
    return this.#current.hello
  }

  /** Whether it goes over TLS. */
  get isFast(): boolean {
    return this.#current.isFast
  }

  get isClosed(): boolean {
    return this.#current.lane.isClosed
  }

  /** As `ControlClient.follow`. */
  follow(ref: BlobRef, origins: readonly OriginGrant[], events: FollowEvents): () => void {
    const leave = this.#current.client.follow(ref, origins, events)
    return () => {
      leave()
      void this.#moveIfQuiet()
    }
  }

  /** As `ControlClient.requestMap`. */
  async requestMap(ref: BlobRef, options: AbortOptions): Promise<SignedChunkMap | undefined> {
    return await this.#current.client.requestMap(ref, options)
  }

  /** As `ControlClient.announce`. */
  announce(digests: readonly Digest[], isHeld: boolean): void {
    this.#current.client.announce(digests, isHeld)
  }

  close(): void {
    this.#current.lane.close()
  }

  abort(error: Error): void {
    this.#current.lane.abort(error)
  }

  async finished(): Promise<void> {
    await this.#current.client.finished()
  }

  #onClosed(lane: Lane, error: Error | undefined): void {
    if (lane === this.#current.lane) this.#init.onClosed(error)
  }

  /** A handshake that was too slow for the first contact, on busy processors say, has time now. */
  async #moveIfQuiet(): Promise<void> {
    const { hello, isFast, ended } = this.#current
    if (isFast || this.#isMoving || !this.#isQuiet || hello.bulkPort === undefined) return
    this.#isMoving = true
    try {
      const lane = await this.#init.openFastControl(hello.bulkPort, { signal: ended })
      if (lane !== undefined && this.#isQuiet) this.#moveTo(lane)
      else lane?.close()
    } catch {
      // Only the end of this stream is thrown, which is told elsewhere.
    } finally {
      this.#isMoving = false
    }
  }

  get #isQuiet(): boolean {
    return !this.isClosed && this.#current.client.isQuiet
  }

  /** What is followed from now on goes out behind the hello; the peer ends the old stream when it hears that. */
  #moveTo(lane: Lane): void {
    const old = this.#current
    const client = new ControlClient({ ...this.#init, lane, onClosed: (error) => this.#onClosed(lane, error) })
    this.#current = { ...old, lane, client, isFast: true }
    client.greet(this.#init.hello, {}).catch((error: unknown) => {
      lane.abort(error instanceof Error ? error : new PeerClosedError('no hello', error))
    })
    old.lane.close()
    this.#init.onMoved()
  }
}
