import type { AbortOptions } from '../core/index.ts'

/** The receiving side of a channel. */
export interface ChannelReceiver {
  /** The next bytes, valid only during the call. */
  onBytes(piece: Uint8Array): void
  /** Nothing more will come; called once, after all bytes. With an error unless the other end closed in good order. */
  onEnd(error?: Error): void
}

/**
 * An ordered, encrypted byte channel to one authenticated peer: what a carrier brings, and all that the codec and the
 * serving logic know of it. There is no credit on the reading side, since nobody sends a chunk that was not wanted.
 */
export interface ByteChannel {
  readonly peerId: string
  /** Begins delivery; called once, and bytes that came earlier are kept until then. */
  open(receiver: ChannelReceiver): void
  /**
   * Queues bytes without copying: they may not change until they are sent. False asks the caller to wait for `drained`
   * before it writes more. `onSent` is called at most once, never during the call, when the channel needs the bytes no more
   * (they are sent, or it has ended); a carrier that cannot know never calls it. Throws `PeerClosedError`, and then never
   * calls it, on a channel that has ended.
   */
  write(bytes: Uint8Array, onSent?: () => void): boolean
  /** Resolves once the queue is short again. Throws `PeerClosedError` when the channel ends first. */
  drained(options: AbortOptions): Promise<void>
  /** Ends this side in good order after what was written. */
  close(): void
  /** Ends both sides at once; what was queued is lost. Does nothing on a channel that has ended. */
  abort(error: Error): void
}

/** A way to open byte channels to peers. Accepting them is told to the exchange by the carrier's owner. */
export interface Carrier {
  /** Opens a channel to a connected peer. Throws `PeerClosedError` when it cannot. */
  open(peerId: string, options: AbortOptions): Promise<ByteChannel>
}
