import type { Clock, Timer } from '../core/index.ts'
import { withDeadline } from './deadline.ts'
import { PeerClosedError, PeerStalledError } from './errors.ts'
import type { Lane } from './lane.ts'
import { encodeMessage } from './message-encoder.ts'
import type { ExchangeMessage } from './messages.ts'

/** Bytes of messages that may wait for a peer that does not read: about thirty chunk maps, or a follower's whole image. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024

/** How long one control message may wait for the peer to read: control streams are read at once by whoever is alive. */
const SEND_TIMEOUT_MS = 20_000

interface Waiting {
  readonly header: Uint8Array
  readonly payload: Uint8Array | undefined
}

export interface OutboxInit {
  readonly lane: Lane
  readonly clock: Clock
  /** How long `pullSoon` waits before it asks `pull`. */
  readonly coalesceMs: number
  /** Makes the next message out of state that changed, so that a slow peer gets fewer, larger messages; `undefined` when told all. */
  readonly pull: () => ExchangeMessage | undefined
  readonly onSent: () => void
}

/** Sends control messages one after the other with back-pressure; a peer that does not read them loses the stream. */
export class Outbox {
  readonly #init: OutboxInit
  readonly #waiting: Waiting[] = []
  #waitingBytes = 0
  #pumping: Promise<void> | undefined
  #timer: Timer | undefined
  #mayPull = false

  constructor(init: OutboxInit) {
    this.#init = init
  }

  /** Queues a message; more than `MAX_WAITING_BYTES` of them abort the stream. */
  post(message: ExchangeMessage, payload?: Uint8Array): void {
    if (this.#init.lane.isClosed) return
    const header = encodeMessage(message)
    this.#waiting.push({ header, payload })
    this.#waitingBytes += header.byteLength + (payload?.byteLength ?? 0)
    if (this.#waitingBytes > MAX_WAITING_BYTES)
      this.#init.lane.abort(new PeerStalledError('the peer does not read its control stream'))
    else this.#pump()
  }

  /** Asks `pull` now. */
  pullNow(): void {
    this.#mayPull = true
    this.#pump()
  }

  /** Asks `pull` after the coalescing time. */
  pullSoon(): void {
    if (this.#mayPull || this.#init.lane.isClosed) return
    this.#timer ??= this.#init.clock.after(this.#init.coalesceMs, () => {
      this.#timer = undefined
      this.pullNow()
    })
  }

  /** Forgets what waits; called when the lane has ended. */
  stop(): void {
    this.#timer?.clear()
    this.#waiting.length = 0
  }

  async finished(): Promise<void> {
    await this.#pumping
  }

  #pump(): void {
    this.#pumping ??= this.#sendAll()
  }

  async #sendAll(): Promise<void> {
    // Lets whatever happens in the same turn go out together.
    await Promise.resolve()
    const { lane } = this.#init
    try {
      for (let next = this.#next(); next !== undefined && !lane.isClosed; next = this.#next()) {
        await this.#send(next)
        this.#init.onSent()
      }
    } catch (error) {
      lane.abort(error instanceof Error ? error : new PeerClosedError('sending failed', error))
    } finally {
      // In the same turn as the last look at the queue, or a message posted in between would wait for the next one.
      this.#pumping = undefined
    }
  }

  /** What need not wait needs no deadline: nearly all messages, of which a wave has thousands. */
  #send({ header, payload }: Waiting): Promise<void> | void {
    const { clock, lane } = this.#init
    if (payload === undefined && lane.hasRoom) return lane.post(header)
    const makeError = () => new PeerStalledError('the peer does not read its control stream')
    const init = { clock, timeoutMs: SEND_TIMEOUT_MS, makeError }
    return withDeadline(init, (signal) => lane.send(header, payload, { signal }))
  }

  #next(): Waiting | undefined {
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      this.#waitingBytes -= waiting.header.byteLength + (waiting.payload?.byteLength ?? 0)
      return waiting
    }
    if (!this.#mayPull) return undefined
    const message = this.#init.pull()
    if (message === undefined) this.#mayPull = false
    return message === undefined ? undefined : { header: encodeMessage(message), payload: undefined }
  }
}
