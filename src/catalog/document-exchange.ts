import type { Stream } from '@libp2p/interface'
import { type AbortOptions, isAbort, type PeerRef, ShoalError } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { answerOverStream, askOverStream, DOCUMENTS_PROTOCOL } from './document-protocol.ts'
import type { DocumentPeers, DocumentReply, DocumentRequest } from './ports.ts'

/** Longest that serving one request may take, the origin's part in it included. */
const SERVE_TIMEOUT_MS = 15_000

/** Requests of one peer at once: a pull asks for a handful. */
const STREAMS_PER_PEER = 32

/** What this needs of the libp2p node. */
export interface DocumentStreams {
  connect(peer: PeerRef, options: AbortOptions): Promise<void>
  connectedPeers(): readonly string[]
  openStream(peerId: string, protocol: string, options: AbortOptions): Promise<Stream>
  handle(
    protocol: string,
    handler: (stream: Stream, peerId: string) => Promise<void>,
    limits: { readonly maxInboundStreams: number; readonly maxOutboundStreams: number },
  ): Promise<void>
  unhandle(protocol: string): Promise<void>
}

export interface DocumentExchangeInit {
  readonly trackers: readonly PeerRef[]
}

export interface DocumentExchangeComponents {
  readonly streams: DocumentStreams
  readonly logger: Logger
}

/** Manifests and tags to and from peers, over one short stream per question. */
export class DocumentExchange implements DocumentPeers {
  readonly #init: DocumentExchangeInit
  readonly #components: DocumentExchangeComponents
  readonly #stopping = new AbortController()
  readonly #serving = new Set<Promise<void>>()

  constructor(init: DocumentExchangeInit, components: DocumentExchangeComponents) {
    this.#init = init
    this.#components = components
  }

  /** Begins to serve peers with `answer`. */
  async start(answer: (request: DocumentRequest, options: AbortOptions) => Promise<DocumentReply>): Promise<void> {
    await this.#components.streams.handle(
      DOCUMENTS_PROTOCOL,
      async (stream, peerId) => {
        const serving = this.#serve(stream, peerId, answer).finally(() => this.#serving.delete(serving))
        this.#serving.add(serving)
        await serving
      },
      { maxInboundStreams: STREAMS_PER_PEER, maxOutboundStreams: STREAMS_PER_PEER },
    )
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#components.streams.unhandle(DOCUMENTS_PROTOCOL)
    await Promise.all(this.#serving)
  }

  trackers(): readonly PeerRef[] {
    return this.#init.trackers
  }

  agents(): readonly PeerRef[] {
    const trackers = new Set(this.#init.trackers.map(({ id }) => id))
    const agents = this.#components.streams.connectedPeers().filter((id) => !trackers.has(id))
    return agents.map((id) => ({ id, addresses: [] }))
  }

  async ask(peer: PeerRef, request: DocumentRequest, options: AbortOptions): Promise<DocumentReply> {
    const { streams } = this.#components
    await streams.connect(peer, options)
    const stream = await streams.openStream(peer.id, DOCUMENTS_PROTOCOL, options)
    try {
      const reply = await askOverStream(stream, request, options)
      await stream.close(options.signal === undefined ? {} : { signal: options.signal })
      return reply
    } catch (error) {
      stream.abort(
        error instanceof Error
          ? error
          : new ShoalError('document request failed', {
              code: 'DOCUMENT',
              blame: 'local',
              retryable: true,
              cause: error,
            }),
      )
      throw error
    }
  }

  async #serve(
    stream: Stream,
    peerId: string,
    answer: (request: DocumentRequest, options: AbortOptions) => Promise<DocumentReply>,
  ): Promise<void> {
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(SERVE_TIMEOUT_MS)])
    try {
      await answerOverStream(stream, async (request) => await answerOrNone(answer(request, { signal })), { signal })
    } catch (error) {
      if (!isAbort(error)) this.#components.logger.debug({ peer: peerId, err: error }, 'document request not served')
      stream.abort(error instanceof Error ? error : new Error('document request not served'))
    }
  }
}

/** That the origin cannot be asked is for the peer the same as that we do not know. */
async function answerOrNone(answer: Promise<DocumentReply>): Promise<DocumentReply> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof ShoalError) return { kind: 'none' }
    throw error
  }
}
