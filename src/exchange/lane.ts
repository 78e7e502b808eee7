import type { AbortOptions } from '../core/index.ts'
import type { ByteChannel } from './carrier.ts'
import { PeerClosedError } from './errors.ts'
import { encodeFrameHead, FrameDecoder, type FrameSink } from './frame-codec.ts'

/** Payload given to the channel at a time: four yamux start windows, so that a slow reader holds little more than one. */
const SEND_PIECE_BYTES = 256 * 1024

/** Whoever reads a lane. */
export interface LaneSink extends FrameSink {
  /** The lane has ended, with the reason unless the other end closed it between frames; called once. */
  onClosed(error?: Error): void
}

export interface SendOptions extends AbortOptions {
  /** Called once when the payload is needed no more; never where the carrier cannot know, or when sending fails. */
  readonly onSent?: (() => void) | undefined
}

/** Byte counts of a lane, told as they happen. */
export interface LaneTraffic {
  received(bytes: number): void
  sent(bytes: number): void
}

/** A byte channel that speaks frames: writes them with back-pressure and hands arriving ones to its sink. */
export class Lane {
  readonly #channel: ByteChannel
  readonly #traffic: LaneTraffic | undefined
  #decoder: FrameDecoder | undefined
  #sink: LaneSink | undefined
  #receivedBytes = 0
  #isSending = false
  #hasRoom = true
  #isClosed = false

  constructor(channel: ByteChannel, traffic?: LaneTraffic) {
    this.#channel = channel
    this.#traffic = traffic
  }

  get peerId(): string {
    return this.#channel.peerId
  }

  /** Bytes received so far; a reader that finds it unchanged after a while knows that the peer stalls. */
  get receivedBytes(): number {
    return this.#receivedBytes
  }

  /** Payload bytes of the frame being received that have not come yet. */
  get missingPayloadBytes(): number {
    return this.#decoder?.missingPayloadBytes ?? 0
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Whether what is sent now is taken at once; once it is not, only `send` waits until it is. */
  get hasRoom(): boolean {
    return this.#hasRoom
  }

  /** Begins delivery to `sink`; called once. An error the sink throws aborts the lane with it. */
  listen(sink: LaneSink): void {
    this.#sink = sink
    this.#decoder = new FrameDecoder(sink)
    this.#channel.open({ onBytes: (piece) => this.#receive(piece), onEnd: (error) => this.#end(error) })
  }

  /** Sends a small frame without payload and without waiting. Throws `PeerClosedError` on a lane that has ended. */
  post(header: Uint8Array): void {
    if (this.#isSending) throw new Error('a frame cannot be put into the middle of another')
    this.#write(encodeFrameHead(header, 0))
  }

  /**
   * Sends a frame, one at a time, and resolves once the channel has its last piece: whoever got the whole frame may answer
   * at once and finds this side ready. `payload` may not change until `onSent`. The lane is aborted when this fails or the
   * signal fires, since a frame cannot be taken back.
   */
  async send(header: Uint8Array, payload: Uint8Array | undefined, options: SendOptions): Promise<void> {
    if (this.#isSending) throw new Error('a frame cannot be put into the middle of another')
    options.signal?.throwIfAborted()
    this.#isSending = true
    try {
      await this.#writeAll(encodeFrameHead(header, payload?.byteLength ?? 0), payload, options)
    } catch (error) {
      this.abort(error instanceof Error ? error : new PeerClosedError('sending failed', error))
      throw error
    } finally {
      this.#isSending = false
    }
  }

  /** Ends the lane in good order; the sink hears `onClosed`. */
  close(): void {
    this.#end()
  }

  /** Ends the lane at once, both ways; the sink hears `onClosed` with `error`. */
  abort(error: Error): void {
    if (this.#isClosed) return
    this.#end(error)
    this.#channel.abort(error)
  }

  async #writeAll(head: Uint8Array, payload: Uint8Array | undefined, options: SendOptions): Promise<void> {
    if (!this.#hasRoom) await this.#channel.drained(options)
    this.#write(head)
    const onPieceSent = afterAll(Math.ceil((payload?.byteLength ?? 0) / SEND_PIECE_BYTES), options.onSent)
    for (let offset = 0; payload !== undefined && offset < payload.byteLength; offset += SEND_PIECE_BYTES) {
      if (!this.#hasRoom) await this.#channel.drained(options)
      this.#write(payload.subarray(offset, offset + SEND_PIECE_BYTES), onPieceSent)
    }
  }

  #write(bytes: Uint8Array, onSent?: () => void): void {
    if (this.#isClosed) throw new PeerClosedError('the lane has ended')
    this.#hasRoom = this.#channel.write(bytes, onSent)
    this.#traffic?.sent(bytes.byteLength)
  }

  #receive(piece: Uint8Array): void {
    if (this.#isClosed) return
    this.#receivedBytes += piece.byteLength
    this.#traffic?.received(piece.byteLength)
    try {
      this.#decoder?.push(piece)
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error('the sink of a lane failed', { cause: error }))
    }
  }

  #end(error?: Error): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const isCut = this.#decoder?.isBetweenFrames === false
    this.#decoder?.stop()
    if (error === undefined) this.#channel.close()
    this.#sink?.onClosed(error ?? (isCut ? new PeerClosedError('the stream ended inside a frame') : undefined))
  }
}

/** Calls `onLast` when it was called `count` times itself. */
function afterAll(count: number, onLast: (() => void) | undefined): (() => void) | undefined {
  if (onLast === undefined) return undefined
  let left = count
  return () => {
    left--
    if (left === 0) onLast()
  }
}
