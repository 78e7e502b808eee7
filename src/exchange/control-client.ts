import { Bitfield, decodeSignedChunkMap, MAX_MAP_BYTES, type SignedChunkMap } from '../chunking/index.ts'
import {
  type AbortOptions,
  type BlobRef,
  type Clock,
  type Digest,
  type OriginGrant,
  ShoalError,
} from '../core/index.ts'
import { type LayoutOf, namedLayout } from './blob-layout.ts'
import { withDeadline } from './deadline.ts'
import { PeerClosedError, PeerProtocolError, PeerStalledError } from './errors.ts'
import type { FollowEvents } from './follow-events.ts'
import { allocateBytes } from './frame-codec.ts'
import type { Lane, LaneSink } from './lane.ts'
import { type ExchangeLimits, MAX_ANNOUNCED_PER_MESSAGE, PROTOCOL_VERSION } from './limits.ts'
import { decodeMessage } from './message-decoder.ts'
import type { ExchangeMessage, HelloMessage } from './messages.ts'
import type { ExchangeMetrics } from './metrics.ts'
import { Outbox } from './outbox.ts'
import { RateLimit } from './rate-limit.ts'

export interface ControlClientInit {
  readonly lane: Lane
  readonly limits: ExchangeLimits
  readonly clock: Clock
  readonly metrics: ExchangeMetrics
  readonly layoutOf: LayoutOf
  /** The stream has ended, after everything followed has heard of it; called once. */
  readonly onClosed: (error: Error | undefined) => void
}

interface Followed {
  readonly chunkCount: number
  readonly events: FollowEvents
}

/** Messages a publisher may send for each that a follower may: a `have` every few milliseconds for each of many blobs. */
const PUBLISHER_RATE_FACTOR = 20

/** The follower's end of a control stream. */
export class ControlClient implements LaneSink {
  readonly #init: ControlClientInit
  readonly #outbox: Outbox
  readonly #rate: RateLimit
  readonly #hello = Promise.withResolvers<HelloMessage>()
  readonly #followed = new Map<number, Followed>()
  readonly #mapRequests = new Map<number, PromiseWithResolvers<Uint8Array | undefined>>()
  #hasHello = false
  #lastNumber = 0
  #message: ExchangeMessage | undefined
  #payload: Uint8Array | undefined

  constructor(init: ControlClientInit) {
    this.#init = init
    this.#rate = new RateLimit(init.limits.controlMessagesPerSecond * PUBLISHER_RATE_FACTOR, init.clock)
    this.#outbox = new Outbox({
      lane: init.lane,
      clock: init.clock,
      coalesceMs: init.limits.coalesceMs,
      pull: () => undefined,
      onSent: () => init.metrics.controlMessages.inc({ direction: 'sent' }),
    })
    // Whoever waits for the hello gets the error; nobody may be waiting any more.
    this.#hello.promise.catch(() => undefined)
    init.lane.listen(this)
  }

  /** Nothing is followed, and no answer is awaited. */
  get isQuiet(): boolean {
    return this.#followed.size === 0 && this.#mapRequests.size === 0
  }

  /** Says hello and returns the publisher's. */
  async greet(own: HelloMessage, options: AbortOptions): Promise<HelloMessage> {
    this.#outbox.post(own)
    const makeError = () => new PeerStalledError('the peer does not say hello')
    const { clock, limits } = this.#init
    return await withDeadline(
      { clock, timeoutMs: limits.helloTimeoutMs, signal: options.signal, makeError },
      () => this.#hello.promise,
    )
  }

  /** Follows a blob; returns how to stop. On a stream that has ended `events` hears so in a later turn. */
  follow(ref: BlobRef, origins: readonly OriginGrant[], events: FollowEvents): () => void {
    if (this.#init.lane.isClosed) {
      queueMicrotask(() => events.onClosed())
      return () => undefined
    }
    const follow = this.#nextNumber()
    const layout = this.#init.layoutOf(ref)
    this.#followed.set(follow, { chunkCount: layout.chunkCount, events })
    this.#outbox.post({ kind: 'follow', follow, ref, origins, ...namedLayout(layout) })
    return () => {
      if (!this.#followed.delete(follow)) return
      this.#outbox.post({ kind: 'unfollow', follow })
      events.onClosed()
    }
  }

  /** The publisher's signed map of a blob, checked to be of that blob and signed by whom it names; none when it is cut in another way. */
  async requestMap(ref: BlobRef, options: AbortOptions): Promise<SignedChunkMap | undefined> {
    if (this.#init.lane.isClosed) throw new PeerClosedError('the control stream has ended')
    const request = this.#nextNumber()
    const reply = Promise.withResolvers<Uint8Array | undefined>()
    this.#mapRequests.set(request, reply)
    this.#outbox.post({ kind: 'mapRequest', request, digest: ref.digest })
    const makeError = () => new PeerStalledError('the peer does not answer for its chunk map')
    const { clock, limits } = this.#init
    // A reply that comes too late still finds its entry, and removes it.
    const bytes = await withDeadline(
      { clock, timeoutMs: limits.mapTimeoutMs, signal: options.signal, makeError },
      () => reply.promise,
    )
    return bytes === undefined ? undefined : await this.#decodeMap(bytes, ref)
  }

  /** Tells the publisher what this process holds some of, or no longer holds any of. */
  announce(digests: readonly Digest[], isHeld: boolean): void {
    for (let first = 0; first < digests.length; first += MAX_ANNOUNCED_PER_MESSAGE) {
      this.#outbox.post({ kind: 'announce', isHeld, digests: digests.slice(first, first + MAX_ANNOUNCED_PER_MESSAGE) })
    }
  }

  async finished(): Promise<void> {
    await this.#outbox.finished()
  }

  onHeader(header: Uint8Array, payloadBytes: number): Uint8Array | undefined {
    const message = decodeMessage(header)
    const mayHavePayload = message.kind === 'mapReply' && this.#mapRequests.has(message.request)
    if (payloadBytes > (mayHavePayload ? MAX_MAP_BYTES : 0))
      throw new PeerProtocolError(`${payloadBytes} bytes with a ${message.kind}`)
    this.#message = message
    this.#payload = payloadBytes === 0 ? undefined : allocateBytes(payloadBytes)
    return this.#payload
  }

  onFrame(): void {
    this.#init.metrics.controlMessages.inc({ direction: 'received' })
    if (!this.#rate.take()) throw new PeerProtocolError('too many control messages')
    const message = this.#message as ExchangeMessage
    if (message.kind === 'hello') this.#onHello(message)
    else if (!this.#hasHello) throw new PeerProtocolError(`a ${message.kind} before the hello`)
    else this.#onNews(message)
  }

  onClosed(error?: Error): void {
    this.#outbox.stop()
    const reason = error ?? new PeerClosedError('the peer closed its control stream')
    this.#hello.reject(reason)
    for (const request of this.#mapRequests.values()) request.reject(reason)
    this.#mapRequests.clear()
    const followed = [...this.#followed.values()]
    this.#followed.clear()
    for (const { events } of followed) events.onClosed()
    this.#init.onClosed(error)
  }

  #onHello(message: HelloMessage): void {
    if (this.#hasHello) throw new PeerProtocolError('a second hello')
    if (message.version !== PROTOCOL_VERSION) throw new PeerClosedError(`the peer speaks version ${message.version}`)
    this.#hasHello = true
    this.#hello.resolve(message)
  }

  /** News of a follow that we have left may still be on their way, so an unknown number is no mistake. */
  #onNews(message: ExchangeMessage): void {
    if (message.kind === 'bitfield') this.#onBitfield(message.follow, message.bits)
    else if (message.kind === 'have') this.#onHave(message.follow, message.chunks, message.digests)
    else if (message.kind === 'peers') this.#followed.get(message.follow)?.events.onPeers(message.peers)
    else if (message.kind === 'gone') this.#onGone(message.follow)
    else if (message.kind === 'mapReply') this.#onMapReply(message.request)
    else throw new PeerProtocolError(`a ${message.kind} from a publisher`)
  }

  #onBitfield(follow: number, bits: Uint8Array): void {
    const followed = this.#followed.get(follow)
    if (followed === undefined) return
    try {
      Bitfield.fromBytes(bits, followed.chunkCount)
    } catch (error) {
      throw new PeerProtocolError('a bitfield that does not fit its blob', error)
    }
    followed.events.onBitfield(bits)
  }

  #onHave(follow: number, chunks: readonly number[], digests: readonly Uint8Array[]): void {
    const followed = this.#followed.get(follow)
    if (followed === undefined) return
    if (chunks.some((chunk) => chunk >= followed.chunkCount))
      throw new PeerProtocolError('a chunk past the end of its blob')
    followed.events.onHave(chunks, digests)
  }

  #onGone(follow: number): void {
    const followed = this.#followed.get(follow)
    this.#followed.delete(follow)
    followed?.events.onClosed()
  }

  #onMapReply(request: number): void {
    const waiting = this.#mapRequests.get(request)
    if (waiting === undefined) throw new PeerProtocolError('a chunk map that nobody asked for')
    this.#mapRequests.delete(request)
    waiting.resolve(this.#payload)
  }

  async #decodeMap(bytes: Uint8Array, ref: BlobRef): Promise<SignedChunkMap | undefined> {
    try {
      const signed = await decodeSignedChunkMap(bytes)
      const { blob, layout } = signed.map
      if (blob.digest !== ref.digest || blob.sizeBytes !== ref.sizeBytes)
        throw new PeerProtocolError('a chunk map of another blob')
      return layout.fingerprint === this.#init.layoutOf(ref).fingerprint ? signed : undefined
    } catch (error) {
      const breach =
        error instanceof PeerProtocolError ? error : new PeerProtocolError('a chunk map that is none', error)
      if (error instanceof ShoalError) this.#init.lane.abort(breach)
      throw breach
    }
  }

  #nextNumber(): number {
    this.#lastNumber += 1
    return this.#lastNumber
  }
}
