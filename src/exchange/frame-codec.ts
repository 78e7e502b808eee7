import { PeerProtocolError } from './errors.ts'

/** Two big-endian u32: header length and payload length. */
const FRAME_PREFIX_BYTES = 8

/** The largest header: 1024 chunk digests of a `have` take 37 KiB, the other messages less. */
export const MAX_HEADER_BYTES = 64 * 1024

/** What a decoder hands its frames to. Whatever a sink throws ends the decoder. */
export interface FrameSink {
  /**
   * A header is complete and `payloadBytes` follow. Returns the buffer of exactly that length they go to, or `undefined`
   * to throw them away; throws `PeerProtocolError` to refuse the frame. The header belongs to the sink.
   */
  onHeader(header: Uint8Array, payloadBytes: number): Uint8Array | undefined
  /** The payload of the last header is complete; called for empty payloads too. */
  onFrame(): void
}

/** The prefix and header of a frame whose `payloadBytes` are sent right after it. */
export function encodeFrameHead(header: Uint8Array, payloadBytes: number): Uint8Array {
  if (header.byteLength > MAX_HEADER_BYTES)
    throw new RangeError(`a frame header of ${header.byteLength} bytes is too long`)
  const head = new Uint8Array(FRAME_PREFIX_BYTES + header.byteLength)
  const view = new DataView(head.buffer)
  view.setUint32(0, header.byteLength)
  view.setUint32(4, payloadBytes)
  head.set(header, FRAME_PREFIX_BYTES)
  return head
}

/**
 * A buffer of its own whose content is unspecified: not zeroed, since it is handed on only when every byte was written.
 * Not a `Buffer`, whose `slice` would surprise whoever gets the chunk.
 */
export function allocateBytes(lengthBytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(lengthBytes).buffer)
}

type Part = 'prefix' | 'header' | 'payload'

/**
 * Cuts a byte stream into frames, copying each byte once: headers into a buffer of their own, payloads to where the sink
 * wants them. Holds at most one header; pieces are not kept, so the caller may reuse them.
 */
export class FrameDecoder {
  readonly #sink: FrameSink
  readonly #prefix = new Uint8Array(FRAME_PREFIX_BYTES)
  #part: Part = 'prefix'
  #target: Uint8Array | undefined = this.#prefix
  #filledBytes = 0
  #partBytes = FRAME_PREFIX_BYTES
  #payloadBytes = 0
  #isDead = false

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** Whether the stream may end here without cutting a frame. */
  get isBetweenFrames(): boolean {
    return this.#part === 'prefix' && this.#filledBytes === 0
  }

  /** Payload bytes of the current frame that have not arrived. */
  get missingPayloadBytes(): number {
    return this.#part === 'payload' ? this.#partBytes - this.#filledBytes : 0
  }

  /** Takes the next bytes of the stream. Throws `PeerProtocolError`, and after that drops everything. */
  push(piece: Uint8Array): void {
    let offset = 0
    while (offset < piece.byteLength && !this.#isDead) {
      const take = Math.min(piece.byteLength - offset, this.#partBytes - this.#filledBytes)
      // Most pieces are a whole record of a payload, and a view of each would be garbage every 16 KiB.
      const part = take === piece.byteLength ? piece : piece.subarray(offset, offset + take)
      this.#target?.set(part, this.#filledBytes)
      this.#filledBytes += take
      offset += take
      if (this.#filledBytes === this.#partBytes) this.#advance()
    }
  }

  /** Drops whatever else is pushed. */
  stop(): void {
    this.#isDead = true
    this.#target = undefined
  }

  #advance(): void {
    try {
      if (this.#part === 'prefix') this.#beginHeader()
      else if (this.#part === 'header') this.#beginPayload()
      else this.#endFrame()
    } catch (error) {
      this.stop()
      throw error
    }
  }

  /** prefix -> header */
  #beginHeader(): void {
    const view = new DataView(this.#prefix.buffer)
    const headerBytes = view.getUint32(0)
    this.#payloadBytes = view.getUint32(4)
    if (headerBytes === 0 || headerBytes > MAX_HEADER_BYTES) {
      throw new PeerProtocolError(`frame header of ${headerBytes} bytes`)
    }
    this.#enter('header', new Uint8Array(headerBytes), headerBytes)
  }

  /** header -> payload */
  #beginPayload(): void {
    const target = this.#sink.onHeader(this.#target as Uint8Array, this.#payloadBytes)
    if (this.#isDead) return
    if (target !== undefined && target.byteLength !== this.#payloadBytes) {
      throw new RangeError(`a buffer of ${target.byteLength} bytes for ${this.#payloadBytes}`)
    }
    this.#enter('payload', target, this.#payloadBytes)
    if (this.#payloadBytes === 0) this.#endFrame()
  }

  /** payload -> prefix */
  #endFrame(): void {
    this.#enter('prefix', this.#prefix, FRAME_PREFIX_BYTES)
    this.#sink.onFrame()
  }

  #enter(part: Part, target: Uint8Array | undefined, lengthBytes: number): void {
    if (this.#isDead) return
    this.#part = part
    this.#target = target
    this.#partBytes = lengthBytes
    this.#filledBytes = 0
  }
}
