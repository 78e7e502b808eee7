import type { AbortOptions, Clock } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import type { ByteChannel, Carrier } from './carrier.ts'
import { withDeadline } from './deadline.ts'
import { PeerClosedError, PeerStalledError } from './errors.ts'
import type { ExchangeLimits } from './limits.ts'
import type { ExchangeMetrics } from './metrics.ts'
import type { PeerStreams } from './peer-streams.ts'
import type { TlsCarrier } from './tls-carrier.ts'
import { TlsRests } from './tls-rests.ts'

export interface TlsFirstComponents {
  /** Absent: libp2p streams only. */
  readonly tls: Pick<TlsCarrier, 'open'> | undefined
  readonly libp2p: Carrier
  readonly streams: PeerStreams
  readonly limits: ExchangeLimits
  readonly clock: Clock
  readonly metrics: ExchangeMetrics
  readonly logger: Logger
}

/** Hosts of one peer that are tried: where the connection goes, and one more in case that is a way which only one port takes. */
const MAX_HOSTS = 2

/** Opens data lanes over TLS where the peer has a bulk port that can be reached, else as libp2p streams. Owns who was not reached. */
export class TlsFirst {
  readonly #components: TlsFirstComponents
  readonly #rests: TlsRests

  constructor(components: TlsFirstComponents) {
    const { limits, clock } = components
    this.#components = components
    this.#rests = new TlsRests({ firstRestMs: limits.firstTlsRestMs, maxRestMs: limits.maxTlsRestMs }, clock)
  }

  /** Throws only what the libp2p carrier throws, or the signal's reason. */
  async open(peerId: string, bulkPort: number | undefined, options: AbortOptions): Promise<ByteChannel> {
    const { libp2p, metrics } = this.#components
    const fast = bulkPort === undefined ? undefined : await this.#tryTls(peerId, bulkPort, options)
    const channel = fast ?? (await libp2p.open(peerId, options))
    metrics.lanes.inc({ carrier: fast === undefined ? 'libp2p' : 'tls', direction: 'sent' })
    return channel
  }

  async #tryTls(peerId: string, port: number, options: AbortOptions): Promise<ByteChannel | undefined> {
    const { tls, metrics, logger } = this.#components
    if (tls === undefined || this.#rests.isResting(peerId, port)) return undefined
    try {
      const channel = await this.#reach(tls, peerId, port, options)
      this.#rests.reached(peerId)
      return channel
    } catch (error) {
      options.signal?.throwIfAborted()
      this.#rests.failed(peerId, port)
      metrics.tlsFallbacks.inc()
      logger.debug({ err: error, peer: peerId, port }, 'a bulk port cannot be used; libp2p takes its place')
      return undefined
    }
  }

  /** Tries the hosts one after the other; each has its share of the time that is left. */
  async #reach(
    tls: Pick<TlsCarrier, 'open'>,
    peerId: string,
    port: number,
    { signal }: AbortOptions,
  ): Promise<ByteChannel> {
    const { streams, clock, limits } = this.#components
    const endMs = clock.now() + limits.tlsOpenTimeoutMs
    const hosts = (await streams.hostsOf(peerId)).slice(0, MAX_HOSTS)
    const makeError = () => new PeerStalledError('the bulk port does not answer')
    let last: unknown = new PeerClosedError('no host of the peer is known')
    for (const [index, host] of hosts.entries()) {
      const timeoutMs = (endMs - clock.now()) / (hosts.length - index)
      try {
        const init = { clock, timeoutMs, signal, makeError }
        return await withDeadline(init, (inner) => tls.open(peerId, { host, port }, { signal: inner }))
      } catch (error) {
        signal?.throwIfAborted()
        last = error
      }
    }
    throw last
  }
}
