import type { AbortOptions, Clock } from '../core/index.ts'
import type { TlsIdentity } from '../p2p/index.ts'
import type { Logger } from '../telemetry/index.ts'
import type { ByteChannel, Carrier } from './carrier.ts'
import type { OpenedChannel } from './lane-race.ts'
import type { ExchangeLimits } from './limits.ts'
import type { ExchangeMetrics } from './metrics.ts'
import type { PeerStreams } from './peer-streams.ts'
import type { AttemptOptions } from './tls-attempts.ts'
import { TlsCarrier } from './tls-carrier.ts'
import { TlsFirst } from './tls-first.ts'
import { TlsListener } from './tls-listener.ts'

/** What is needed for lanes over TLS, one way or both. */
export interface ExchangeTlsInit {
  readonly identity: TlsIdentity
  /** Where lanes are taken, port 0 for any that is free; absent: nowhere. */
  readonly listen?: { readonly host: string; readonly port: number } | undefined
  /** Whether lanes of ours use TLS where the peer takes it. */
  readonly isPreferred: boolean
}

export interface TlsLanesComponents {
  readonly streams: PeerStreams
  readonly libp2p: Carrier
  readonly limits: ExchangeLimits
  readonly clock: Clock
  readonly metrics: ExchangeMetrics
  readonly logger: Logger
  /** Takes the channel of a lane that a peer opened to the bulk port. */
  readonly onChannel: (channel: ByteChannel) => void
}

/** Lanes both ways: ours over TLS first, and the bulk port for those of peers. */
export class TlsLanes {
  readonly #components: TlsLanesComponents
  readonly #first: TlsFirst
  readonly #listener: TlsListener | undefined
  #port: number | undefined

  constructor(init: ExchangeTlsInit | undefined, components: TlsLanesComponents) {
    this.#components = components
    const tls = init?.isPreferred === true ? new TlsCarrier(init.identity) : undefined
    this.#first = new TlsFirst({ ...components, tls })
    this.#listener = init === undefined ? undefined : this.#makeListener(init)
  }

  /** The port that peers are told, while it is listened on. */
  get port(): number | undefined {
    return this.#port
  }

  /** Listens at the bulk port. Where that fails peers are told of none, and use libp2p streams as ever. */
  async start(): Promise<void> {
    const { logger } = this.#components
    try {
      this.#port = await this.#listener?.start()
    } catch (error) {
      logger.warn(
        { err: error },
        'the bulk port cannot be listened on; chunks go over libp2p streams, at twice the CPU time',
      )
    }
    if (this.#port !== undefined) logger.info({ port: this.#port }, 'the bulk port is listening')
  }

  async stop(): Promise<void> {
    this.#port = undefined
    await this.#listener?.stop()
  }

  /** Opens a data lane, as `TlsFirst.open` does. */
  async open(peerId: string, bulkPort: number | undefined, options: AttemptOptions): Promise<OpenedChannel> {
    return await this.#first.open(peerId, bulkPort, options)
  }

  /** Opens a lane over TLS and in no other way, as `TlsFirst.openFast` does. */
  async openFast(peerId: string, bulkPort: number, options: AbortOptions): Promise<ByteChannel | undefined> {
    return await this.#first.openFast(peerId, bulkPort, options)
  }

  #makeListener({ identity, listen }: ExchangeTlsInit): TlsListener | undefined {
    const { limits, metrics, streams, onChannel } = this.#components
    if (listen === undefined) return undefined
    return new TlsListener({
      identity,
      ...listen,
      maxHandshakes: limits.maxTlsHandshakes,
      maxHandshakesPerHost: limits.maxTlsHandshakesPerHost,
      handshakeTimeoutMs: limits.tlsHandshakeTimeoutMs,
      // A connection proves the cluster key, the list of admitted peers, and that there is no ban.
      admits: (peerId) => streams.isConnected(peerId),
      onChannel: (channel) => {
        metrics.lanes.inc({ carrier: 'tls', direction: 'received' })
        onChannel(channel)
      },
      onRefused: (reason) => metrics.tlsRefusals.inc({ reason }),
    })
  }
}
