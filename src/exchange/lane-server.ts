import type { BlobRef, Timer } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { type Lease, unpooled } from '../util/index.ts'
import { isCutAlike, type LayoutOf } from './blob-layout.ts'
import { withDeadline } from './deadline.ts'
import { PeerClosedError, PeerProtocolError, PeerStalledError } from './errors.ts'
import type { InboundHandler } from './inbound-lane.ts'
import type { Lane } from './lane.ts'
import { encodeMessage } from './message-encoder.ts'
import type { ExchangeMessage, ServerMessage, WantMessage } from './messages.ts'
import type { ExchangeMetrics } from './metrics.ts'
import type { ChunkSupply, SuppliedChunk, SupplyBusy } from './ports.ts'
import type { SlotsBusy } from './upload-slots.ts'
import { takeUploadTurn, tooLongFor, type UploadTurn, type UploadTurnComponents } from './upload-turn.ts'

export interface LaneServerComponents extends UploadTurnComponents {
  readonly supply: ChunkSupply
  readonly layoutOf: LayoutOf
  readonly logger: Logger
  readonly metrics: ExchangeMetrics
}

type SmallAnswer = Exclude<ServerMessage, { kind: 'chunk' }>

/** A lane waits three times as long here as at its requester, so that the requester closes it first. */
const IDLE_FACTOR = 3

/** What a want of any chunk is told when nothing came up in time: ask again soon. */
const NOTHING_YET_MS = 100

/** The part of a requester's patience that a want of any chunk may wait here, so that the answer comes before it gives up. */
const ANY_WAIT_SHARE = 0.8

/** Serves the wants of one data lane, one at a time, each with exactly one answer. */
export class LaneServer implements InboundHandler {
  readonly #lane: Lane
  readonly #components: LaneServerComponents
  #serving: Promise<void> = Promise.resolve()
  #cancelled: AbortController | undefined
  #isSending = false
  #idleTimer: Timer | undefined

  constructor(lane: Lane, components: LaneServerComponents) {
    this.#lane = lane
    this.#components = components
  }

  /** Resolves when no want is being served; after `onClosed` it stays so. */
  async finished(): Promise<void> {
    await this.#serving
  }

  onMessage(message: ExchangeMessage): void {
    if (message.kind === 'want') this.#onWant(message)
    else if (message.kind === 'cancel') this.#onCancel()
    else throw new PeerProtocolError(`a ${message.kind} on a data lane`)
  }

  onClosed(): void {
    this.#idleTimer?.clear()
    this.#cancelled?.abort(new PeerClosedError('the requester has left'))
  }

  #onWant(want: WantMessage): void {
    if (this.#cancelled !== undefined) throw new PeerProtocolError('a want before the last one was answered')
    const { chunk } = want
    const layout = this.#components.layoutOf(want.ref)
    if (isCutAlike(want, layout) && chunk !== 'any' && chunk >= layout.chunkCount)
      throw new PeerProtocolError('a want of a chunk past the end')
    this.#idleTimer?.clear()
    this.#cancelled = new AbortController()
    this.#serving = this.#serve(want, this.#cancelled.signal)
  }

  /** Once the chunk has begun to go out a cancel comes too late; after the answer it has crossed it. Both are fine. */
  #onCancel(): void {
    if (!this.#isSending) this.#cancelled?.abort(new DOMException('the want was cancelled', 'AbortError'))
  }

  async #serve(want: WantMessage, signal: AbortSignal): Promise<void> {
    try {
      await this.#answer(want, signal)
    } catch (error) {
      await this.#fail(error, signal)
    } finally {
      this.#isSending = false
      this.#cancelled = undefined
      if (!this.#lane.isClosed) this.#waitForNext()
    }
  }

  async #fail(error: unknown, signal: AbortSignal): Promise<void> {
    if (this.#lane.isClosed) return
    if (signal.aborted) return await this.#reply({ kind: 'cancelled' })
    this.#components.logger.warn({ err: error }, 'a chunk could not be served')
    await this.#reply({ kind: 'lacks' })
  }

  async #answer(want: WantMessage, signal: AbortSignal): Promise<void> {
    const { chunk, ref, urgency } = want
    const layout = this.#components.layoutOf(ref)
    if (!isCutAlike(want, layout)) return await this.#reply({ kind: 'lacks' })
    if (chunk === 'any') return await this.#answerAny(want, signal)
    const bytes = layout.lengthOf(chunk)
    const turn = await takeUploadTurn(this.#components, { bytes, urgency, signal })
    await this.#inTurn(turn, want, async () => {
      const found = await this.#read(want, this.#components.limits.readTimeoutMs, signal)
      return await this.#give(want, found, signal)
    })
  }

  /**
   * Waits for a chunk first and for its turn then: a slot is not kept from others while there is nothing to send. No chunk
   * is chosen for a peer that could not be sent it soon.
   */
  async #answerAny(want: WantMessage, signal: AbortSignal): Promise<void> {
    const late = tooLongFor(this.#components, want.urgency)
    if (late !== undefined) return await this.#replyBusy({ ...late, alternates: this.#alternates(want.ref) })
    const found = await this.#read(want, this.#components.limits.anyResponseTimeoutMs * ANY_WAIT_SHARE, signal)
    if (found === 'lacks' || !('chunk' in found)) return void (await this.#give(want, found, signal))
    const bytes = this.#components.layoutOf(want.ref).lengthOf(found.chunk)
    const turn = await takeUploadTurn(this.#components, { bytes, urgency: want.urgency, signal, isPatient: true })
    await this.#inTurn(turn, want, async () => await this.#give(want, found, signal))
  }

  /** Gives what `give` does its turn, which it used when it resolves to true; without a turn the answer is `busy`. */
  async #inTurn(turn: UploadTurn | SlotsBusy, { ref }: WantMessage, give: () => Promise<boolean>): Promise<void> {
    if ('busyMs' in turn) return await this.#replyBusy({ busyMs: turn.busyMs, alternates: this.#alternates(ref) })
    let isUsed = false
    try {
      isUsed = await give()
    } finally {
      turn.end(isUsed)
    }
  }

  async #read(
    want: WantMessage,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<SuppliedChunk | 'lacks' | SupplyBusy> {
    const late = new PeerStalledError('the supply took too long')
    try {
      return await withDeadline({ clock: this.#components.clock, timeoutMs, signal, makeError: () => late }, (inner) =>
        this.#components.supply.read(this.#lane.peerId, want.ref, want.chunk, want.urgency, { signal: inner }),
      )
    } catch (error) {
      if (error === late) return { busyMs: NOTHING_YET_MS, alternates: this.#alternates(want.ref) }
      throw error
    }
  }

  /** Answers with what was found; whether it was a chunk. */
  async #give(want: WantMessage, found: SuppliedChunk | 'lacks' | SupplyBusy, signal: AbortSignal): Promise<boolean> {
    if (found === 'lacks') {
      await this.#reply({ kind: 'lacks' })
      return false
    }
    if (!('chunk' in found)) {
      await this.#replyBusy(found)
      return false
    }
    const payload = await this.#bytesOf(found, signal)
    signal.throwIfAborted()
    const { byteLength } = payload.bytes
    if (byteLength !== this.#components.layoutOf(want.ref).lengthOf(found.chunk)) {
      throw new RangeError(`the supply gave ${byteLength} bytes as chunk ${found.chunk}`)
    }
    const isSent = await this.#send({ kind: 'chunk', chunk: found.chunk, digest: found.digest }, payload)
    if (isSent) this.#components.metrics.chunks.inc({ direction: 'sent' })
    return true
  }

  /** Has a deadline, since an upload slot is held meanwhile and a disk may hang. */
  async #bytesOf({ bytes }: SuppliedChunk, signal: AbortSignal): Promise<Lease> {
    if (typeof bytes !== 'function') return unpooled(bytes)
    const { clock, limits } = this.#components
    const makeError = () => new PeerStalledError('the disk took too long')
    return await withDeadline({ clock, timeoutMs: limits.readTimeoutMs, signal, makeError }, (inner) =>
      bytes({ signal: inner }),
    )
  }

  /** Sends the answer with back-pressure, so that a requester that does not read gets no next one; false when that has cost the lane. */
  async #send(message: ServerMessage, payload?: Lease): Promise<boolean> {
    const { clock, limits, metrics } = this.#components
    const bytes = payload?.bytes
    const timeoutMs = limits.sendGraceMs + ((bytes?.byteLength ?? 0) / limits.minSendBytesPerSecond) * 1000
    const makeError = () => new PeerStalledError('the requester reads too slowly')
    this.#isSending = true
    try {
      const header = encodeMessage(message)
      const onSent = () => payload?.release()
      await withDeadline({ clock, timeoutMs, makeError }, (signal) =>
        this.#lane.send(header, bytes, { signal, onSent }),
      )
    } catch (error) {
      if (error instanceof PeerStalledError) metrics.failed(error)
      this.#lane.abort(error instanceof Error ? error : new PeerClosedError('sending failed', error))
      return false
    }
    return true
  }

  async #replyBusy(busy: SupplyBusy): Promise<void> {
    this.#components.metrics.busy.inc({ direction: 'sent' })
    await this.#reply({ kind: 'busy', waitMs: busy.busyMs, alternates: busy.alternates })
  }

  async #reply(message: SmallAnswer): Promise<void> {
    if (!this.#lane.isClosed) await this.#send(message)
  }

  #alternates(ref: BlobRef) {
    return this.#components.supply.alternates?.(this.#lane.peerId, ref) ?? []
  }

  #waitForNext(): void {
    const { clock, limits } = this.#components
    this.#idleTimer = clock.after(limits.laneIdleMs * IDLE_FACTOR, () => this.#lane.close())
  }
}
