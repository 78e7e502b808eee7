import type { ChunkLayout } from '../chunking/index.ts'
import type { AbortOptions, Clock, Timer } from '../core/index.ts'
import type { Buffers, Lease } from '../util/index.ts'
import type { LayoutOf } from './blob-layout.ts'
import { PeerBusyError, PeerClosedError, PeerLacksChunkError, PeerProtocolError, PeerStalledError } from './errors.ts'
import type { ReceivedChunk } from './follow-events.ts'
import type { Lane, LaneSink } from './lane.ts'
import type { ExchangeLimits } from './limits.ts'
import { decodeMessage } from './message-decoder.ts'
import { encodeMessage } from './message-encoder.ts'
import type { ExchangeMessage, ServerMessage, WantMessage } from './messages.ts'
import type { ExchangeMetrics } from './metrics.ts'

export interface LaneClientInit {
  readonly lane: Lane
  /** Whether it is carried the fast way. */
  readonly isFast: boolean
  readonly limits: ExchangeLimits
  readonly clock: Clock
  readonly metrics: ExchangeMetrics
  /** For the chunks that come. */
  readonly buffers: Buffers
  readonly layoutOf: LayoutOf
  /** The lane can take a want again. */
  readonly onFree: (client: LaneClient) => void
  /** The lane has ended; called once. */
  readonly onClosed: (client: LaneClient, error: Error | undefined) => void
}

/** A cancelled chunk with less than this left is read to its end: a new lane costs a round trip and about as much. */
const MAX_DISCARDED_BYTES = 256 * 1024

/**
 * The want that the lane is at.
 * waiting -> receiving -> done; waiting or receiving -> discarding -> done once its requester has given up.
 */
interface Outstanding {
  readonly want: WantMessage
  readonly layout: ChunkLayout
  readonly settle: PromiseWithResolvers<ReceivedChunk>
  phase: 'waiting' | 'receiving' | 'discarding'
}

/** The requester's end of one data lane: one want at a time. */
export class LaneClient implements LaneSink {
  readonly #init: LaneClientInit
  #outstanding: Outstanding | undefined
  #message: ServerMessage | undefined
  /** Filled by the lane until the frame or the lane ends, also when nobody waits for it any more: not given back before. */
  #payload: Lease | undefined
  #timer: Timer | undefined
  #isRetiring = false

  constructor(init: LaneClientInit) {
    this.#init = init
    init.lane.listen(this)
    this.#awaitUse()
  }

  /** Whether a want can be sent now. */
  get isFree(): boolean {
    return this.#outstanding === undefined && !this.#isRetiring && !this.#init.lane.isClosed
  }

  get isFast(): boolean {
    return this.#init.isFast
  }

  /** Whether the lane takes no more wants. */
  get isRetiring(): boolean {
    return this.#isRetiring
  }

  /** The want that holds the lane. */
  get want(): WantMessage | undefined {
    return this.#outstanding?.want
  }

  /** Sends a want on a free lane and returns the chunk. Throws as `Following.request` does. */
  async request(want: WantMessage, { signal }: AbortOptions): Promise<ReceivedChunk> {
    if (!this.isFree) throw new Error('the lane is not free')
    signal?.throwIfAborted()
    const outstanding: Outstanding = {
      want,
      layout: this.#init.layoutOf(want.ref),
      settle: Promise.withResolvers<ReceivedChunk>(),
      phase: 'waiting',
    }
    const onAbort = () => this.#giveUp(outstanding, signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      this.#begin(outstanding)
      return await outstanding.settle.promise
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  close(): void {
    this.#init.lane.close()
  }

  /** Takes no more wants, and closes once the one it is at is done. */
  retire(): void {
    this.#isRetiring = true
    if (this.#outstanding === undefined) this.close()
  }

  abort(error: Error): void {
    this.#init.lane.abort(error)
  }

  onHeader(header: Uint8Array, payloadBytes: number): Uint8Array | undefined {
    const message = decodeMessage(header)
    const outstanding = this.#outstanding
    if (outstanding === undefined) throw new PeerProtocolError(`a ${message.kind} that nobody asked for`)
    if (!isAnswer(message)) throw new PeerProtocolError(`a ${message.kind} on a data lane`)
    this.#message = message
    if (message.kind !== 'chunk') {
      if (payloadBytes !== 0) throw new PeerProtocolError(`${payloadBytes} bytes with a ${message.kind}`)
      return undefined
    }
    this.#checkChunk(outstanding, message.chunk, payloadBytes)
    return this.#beginChunk(outstanding, payloadBytes)
  }

  onFrame(): void {
    const outstanding = this.#outstanding as Outstanding
    const message = this.#message as ServerMessage
    const payload = this.#payload
    this.#payload = undefined
    if (message.kind === 'cancelled' && outstanding.phase !== 'discarding')
      throw new PeerProtocolError('a want was cancelled that we want')
    this.#free()
    if (outstanding.phase === 'discarding') payload?.release()
    else if (message.kind === 'chunk' && payload !== undefined) {
      this.#init.metrics.chunks.inc({ direction: 'received' })
      outstanding.settle.resolve({ chunk: message.chunk, payload, digest: message.digest })
    } else if (message.kind === 'busy') {
      this.#init.metrics.busy.inc({ direction: 'received' })
      outstanding.settle.reject(new PeerBusyError(message.waitMs, message.alternates))
    } else if (message.kind === 'lacks') outstanding.settle.reject(new PeerLacksChunkError())
    if (this.#isRetiring) this.close()
    else this.#init.onFree(this)
  }

  onClosed(error?: Error): void {
    this.#timer?.clear()
    const outstanding = this.#outstanding
    this.#outstanding = undefined
    this.#payload?.release()
    this.#payload = undefined
    outstanding?.settle.reject(error ?? new PeerClosedError('the peer closed the lane'))
    this.#init.onClosed(this, error)
  }

  /** free -> waiting */
  #begin(outstanding: Outstanding): void {
    const { limits } = this.#init
    this.#outstanding = outstanding
    const timeoutMs = outstanding.want.chunk === 'any' ? limits.anyResponseTimeoutMs : limits.responseTimeoutMs
    this.#startTimer(timeoutMs, () => this.#giveUp(outstanding, new PeerStalledError('the peer does not answer')))
    try {
      this.#init.lane.post(encodeMessage(outstanding.want))
    } catch (error) {
      this.abort(error instanceof Error ? error : new PeerClosedError('the want could not be sent', error))
      outstanding.settle.reject(error)
    }
  }

  #checkChunk({ want, layout }: Outstanding, chunk: number, payloadBytes: number): void {
    if (want.chunk === 'any' ? chunk >= layout.chunkCount : chunk !== want.chunk) {
      throw new PeerProtocolError(`chunk ${chunk} for a want of ${want.chunk}`)
    }
    if (payloadBytes !== layout.lengthOf(chunk)) throw new PeerProtocolError(`${payloadBytes} bytes as chunk ${chunk}`)
  }

  /** waiting -> receiving; a chunk that was cancelled is thrown away, or the lane with it when it is a lot. */
  #beginChunk(outstanding: Outstanding, payloadBytes: number): Uint8Array | undefined {
    if (outstanding.phase === 'discarding') {
      if (payloadBytes > MAX_DISCARDED_BYTES) throw new PeerClosedError('a cancelled chunk was on its way')
      return undefined
    }
    outstanding.phase = 'receiving'
    this.#watch(outstanding, this.#init.lane.receivedBytes)
    this.#payload = this.#init.buffers.lease(payloadBytes)
    return this.#payload.bytes
  }

  /** Gives up a peer whose bytes have stopped. Looks twice per timeout, so a stall is seen after one to one and a half. */
  #watch(outstanding: Outstanding, receivedBytes: number, quietCount = 0): void {
    this.#startTimer(this.#init.limits.stallTimeoutMs / 2, () => {
      const nowReceivedBytes = this.#init.lane.receivedBytes
      const quiet = nowReceivedBytes === receivedBytes ? quietCount + 1 : 0
      if (quiet >= 2) this.#giveUp(outstanding, new PeerStalledError('the peer stopped in the middle of a chunk'))
      else this.#watch(outstanding, nowReceivedBytes, quiet)
    })
  }

  /** waiting or receiving -> discarding, or the lane ends */
  #giveUp(outstanding: Outstanding, reason: unknown): void {
    if (this.#outstanding !== outstanding || outstanding.phase === 'discarding') return
    const wasReceiving = outstanding.phase === 'receiving'
    const isStalled = wasReceiving && reason instanceof PeerStalledError
    outstanding.phase = 'discarding'
    outstanding.settle.reject(reason)
    const late = () => this.abort(new PeerStalledError('the peer does not answer a cancel'))
    this.#startTimer(this.#init.limits.cancelTimeoutMs, late)
    if (isStalled || this.#init.lane.missingPayloadBytes > MAX_DISCARDED_BYTES)
      this.abort(new PeerClosedError('the lane is given up'))
    else if (!wasReceiving) this.#postCancel()
  }

  #postCancel(): void {
    try {
      this.#init.lane.post(encodeMessage({ kind: 'cancel' }))
    } catch (error) {
      this.abort(error instanceof Error ? error : new PeerClosedError('the cancel could not be sent', error))
    }
  }

  /** any -> free */
  #free(): void {
    this.#outstanding = undefined
    this.#message = undefined
    this.#awaitUse()
  }

  #awaitUse(): void {
    this.#startTimer(this.#init.limits.laneIdleMs, () => this.close())
  }

  #startTimer(delayMs: number, fire: () => void): void {
    this.#timer?.clear()
    this.#timer = this.#init.clock.after(delayMs, fire)
  }
}

function isAnswer(message: ExchangeMessage): message is ServerMessage {
  return message.kind === 'chunk' || message.kind === 'busy' || message.kind === 'lacks' || message.kind === 'cancelled'
}
