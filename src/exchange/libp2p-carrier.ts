import type { Stream } from '@libp2p/interface'
import type { AbortOptions } from '../core/index.ts'
import type { ByteChannel, Carrier, ChannelReceiver } from './carrier.ts'
import { PeerClosedError } from './errors.ts'
import type { PeerStreams } from './peer-streams.ts'

/** The protocol id that libp2p negotiates for control streams and data lanes alike. */
export const EXCHANGE_PROTOCOL = '/shoal/exchange/1.0.0'

/** How long a stream may take to send its last bytes after `close`: it is idle by then, so this is one round trip with room. */
const CLOSE_TIMEOUT_MS = 5_000

/** Opens byte channels as libp2p streams of `EXCHANGE_PROTOCOL`; always possible where a connection is. */
export class Libp2pCarrier implements Carrier {
  readonly #streams: PeerStreams

  constructor(streams: PeerStreams) {
    this.#streams = streams
  }

  async open(peerId: string, options: AbortOptions): Promise<ByteChannel> {
    try {
      const stream = await this.#streams.openStream(peerId, EXCHANGE_PROTOCOL, options)
      if (options.signal?.aborted === true) stream.abort(new PeerClosedError('nobody waits for the stream'))
      options.signal?.throwIfAborted()
      return new StreamChannel(stream, peerId)
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      throw new PeerClosedError('no stream to the peer could be opened', error)
    }
  }
}

/** A libp2p stream as a byte channel. */
export class StreamChannel implements ByteChannel {
  readonly peerId: string
  readonly #stream: Stream
  #receiver: ChannelReceiver | undefined

  constructor(stream: Stream, peerId: string) {
    this.#stream = stream
    this.peerId = peerId
  }

  open(receiver: ChannelReceiver): void {
    this.#receiver = receiver
    this.#stream.addEventListener('close', (event) => this.#end(event.error ?? undefined), { once: true })
    // `remoteCloseWrite` may come before the last bytes; `end` comes after them.
    this.#stream.addEventListener('end', () => this.#onReadEnd(), { once: true })
    this.#stream.addEventListener('message', (event) => {
      if (event.data instanceof Uint8Array) receiver.onBytes(event.data)
      else for (const piece of event.data) receiver.onBytes(piece)
    })
    if (this.#stream.status !== 'open' && this.#stream.readBufferLength === 0) {
      queueMicrotask(() => this.#end(new PeerClosedError('the stream was closed before it was read')))
    }
  }

  /** Never calls `onSent`: a stream does not tell when the muxer and the encrypter have let go of bytes. */
  write(bytes: Uint8Array, _onSent?: () => void): boolean {
    try {
      return this.#stream.send(bytes)
    } catch (error) {
      throw new PeerClosedError('the stream is closed', error)
    }
  }

  async drained(options: AbortOptions): Promise<void> {
    // `Stream.onDrain()` waits only the first time it is called, and a drain may leave bytes queued: ask again after each.
    while (this.#stream.writableNeedsDrain) await this.#nextDrain(options.signal)
  }

  close(): void {
    // Failing to say goodbye leaves nothing to do but to forget the stream.
    this.#stream.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) }).catch((error: unknown) => {
      this.#stream.abort(error instanceof Error ? error : new Error('close failed', { cause: error }))
    })
  }

  abort(error: Error): void {
    this.#stream.abort(error)
  }

  #nextDrain(signal: AbortSignal | undefined): Promise<void> {
    const stream = this.#stream
    return new Promise<void>((resolve, reject) => {
      const settle = (finish: () => void) => {
        stream.removeEventListener('drain', onDrain)
        stream.removeEventListener('close', onClose)
        signal?.removeEventListener('abort', onAbort)
        finish()
      }
      const onDrain = () => settle(resolve)
      const onClose = () => settle(() => reject(new PeerClosedError('the stream closed while bytes were queued')))
      const onAbort = () => settle(() => reject(signal?.reason))
      stream.addEventListener('drain', onDrain)
      stream.addEventListener('close', onClose)
      signal?.addEventListener('abort', onAbort)
      if (signal?.aborted === true) onAbort()
      else if (stream.writeStatus === 'closed') onClose()
    })
  }

  #onReadEnd(): void {
    // A reset dispatches `end` too, and tells its reason in `close`.
    if (this.#stream.status === 'open' || this.#stream.status === 'closing') this.#end(undefined)
  }

  #end(error: Error | undefined): void {
    const receiver = this.#receiver
    this.#receiver = undefined
    receiver?.onEnd(
      error === undefined || error instanceof PeerClosedError ? error : new PeerClosedError('the stream broke', error),
    )
  }
}
