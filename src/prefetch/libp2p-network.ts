import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import type { AbortOptions, PeerRef } from '../core/index.ts'
import { encodeMessage, MAX_ADDRESS_CHARS, MAX_ADDRESSES, parseAnswer, parseAsk } from './messages.ts'
import type { AnsweringChannel, AskingChannel, Channel, PrefetchServer } from './ports.ts'
import { asError } from './reason.ts'

/** Orders and how they go, one order a stream: JSON frames with a length prefix. */
export const PREFETCH_PROTOCOL = '/shoal/prefetch/1.0.0'

/** An order with 256 members, four long addresses each, and 8192 tails takes half of it. */
const MAX_FRAME_BYTES = 1024 * 1024

/** Streams of one peer: one for each order, and some that are ending. */
const STREAMS_PER_PEER = 32

/** How long a stream may take to send its last bytes. */
const CLOSE_TIMEOUT_MS = 5_000

/** What this needs of the libp2p node. */
export interface PrefetchStreams {
  readonly peerId: string
  connect(peer: PeerRef, options: AbortOptions): Promise<void>
  connectedPeers(): readonly string[]
  addressesOf(peerId: string): Promise<readonly string[]>
  openStream(peerId: string, protocol: string, options: AbortOptions): Promise<Stream>
  handle(
    protocol: string,
    handler: (stream: Stream, peerId: string) => Promise<void>,
    limits: { readonly maxInboundStreams: number; readonly maxOutboundStreams: number },
  ): Promise<void>
  unhandle(protocol: string): Promise<void>
}

/** The protocol over libp2p streams. */
export class Libp2pNetwork implements PrefetchServer {
  readonly selfId: string
  readonly #streams: PrefetchStreams

  constructor(streams: PrefetchStreams) {
    this.#streams = streams
    this.selfId = streams.peerId
  }

  async serve(answer: (channel: AnsweringChannel) => Promise<void>): Promise<void> {
    const onStream = async (stream: Stream, peerId: string) => await answer(channelOf(stream, peerId, parseAsk))
    const limits = { maxInboundStreams: STREAMS_PER_PEER, maxOutboundStreams: STREAMS_PER_PEER }
    await this.#streams.handle(PREFETCH_PROTOCOL, onStream, limits)
  }

  async stop(): Promise<void> {
    await this.#streams.unhandle(PREFETCH_PROTOCOL)
  }

  async members(): Promise<readonly PeerRef[]> {
    return await Promise.all(this.#streams.connectedPeers().map(async (id) => await this.#refOf(id)))
  }

  async open(peer: PeerRef, options: AbortOptions): Promise<AskingChannel> {
    await this.#streams.connect(peer, options)
    const stream = await this.#streams.openStream(peer.id, PREFETCH_PROTOCOL, options)
    if (options.signal?.aborted === true) stream.abort(asError(options.signal.reason))
    options.signal?.throwIfAborted()
    return channelOf(stream, peer.id, parseAnswer)
  }

  async #refOf(id: string): Promise<PeerRef> {
    const addresses = await this.#streams.addressesOf(id)
    return {
      id,
      addresses: addresses.filter((address) => address.length <= MAX_ADDRESS_CHARS).slice(0, MAX_ADDRESSES),
    }
  }
}

function channelOf<Sent extends Parameters<typeof encodeMessage>[0], Received>(
  stream: Stream,
  peerId: string,
  parse: (frame: Uint8Array) => Received,
): Channel<Sent, Received> {
  const lp = lpStream(stream, { maxDataLength: MAX_FRAME_BYTES, maxBufferSize: MAX_FRAME_BYTES * 2 })
  return {
    peerId,
    send: async (message, options) => await lp.write(encodeMessage(message), withSignal(options)),
    receive: async (options) => parse((await lp.read(withSignal(options))).subarray()),
    // Failing to say goodbye leaves nothing to do but to forget the stream.
    close: () =>
      void stream
        .close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) })
        .catch((error: unknown) => stream.abort(asError(error))),
    abort: (error) => stream.abort(error),
  }
}

/** libp2p's options do not take an explicit undefined. */
function withSignal({ signal }: AbortOptions): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
