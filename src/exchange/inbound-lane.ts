import { PeerProtocolError } from './errors.ts'
import type { Lane, LaneSink } from './lane.ts'
import { decodeMessage } from './message-decoder.ts'
import type { ExchangeMessage } from './messages.ts'

/** What serves a stream that a peer opened. Throwing ends the stream with that error. */
export interface InboundHandler {
  onMessage(message: ExchangeMessage): void
  /** The stream has ended; called once. */
  onClosed(error?: Error): void
  /** Resolves when nothing runs for this stream any more. */
  finished(): Promise<void>
}

export interface InboundLaneInit {
  readonly lane: Lane
  /** Makes the handler for what the first message shows the stream to be; throws `PeerProtocolError` for anything else. */
  readonly handlerFor: (first: ExchangeMessage) => InboundHandler
  readonly onClosed: (error: Error | undefined) => void
}

/** Reads the messages of a stream that a peer opened: none of them has a payload. */
export class InboundLane implements LaneSink {
  readonly lane: Lane
  readonly #init: InboundLaneInit
  #handler: InboundHandler | undefined
  #message: ExchangeMessage | undefined

  constructor(init: InboundLaneInit) {
    this.lane = init.lane
    this.#init = init
    init.lane.listen(this)
  }

  /** Whether the peer has said anything yet. */
  get hasBegun(): boolean {
    return this.#handler !== undefined
  }

  async finished(): Promise<void> {
    await this.#handler?.finished()
  }

  onHeader(header: Uint8Array, payloadBytes: number): undefined {
    if (payloadBytes !== 0) throw new PeerProtocolError(`${payloadBytes} bytes of payload that nobody asked for`)
    this.#message = decodeMessage(header)
  }

  onFrame(): void {
    const message = this.#message as ExchangeMessage
    this.#handler ??= this.#init.handlerFor(message)
    this.#handler.onMessage(message)
  }

  onClosed(error?: Error): void {
    this.#handler?.onClosed(error)
    this.#init.onClosed(error)
  }
}
