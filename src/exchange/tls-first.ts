import type { AbortOptions } from '../core/index.ts'
import type { ByteChannel, Carrier } from './carrier.ts'
import { withDeadline } from './deadline.ts'
import { PeerStalledError } from './errors.ts'
import { LaneRace, type OpenedChannel } from './lane-race.ts'
import { type AttemptOptions, TlsAttempts, type TlsAttemptsComponents } from './tls-attempts.ts'
import type { TlsCarrier } from './tls-carrier.ts'

export interface TlsFirstComponents extends Omit<TlsAttemptsComponents, 'tls'> {
  /** Absent: libp2p streams only. */
  readonly tls: Pick<TlsCarrier, 'open'> | undefined
  readonly libp2p: Carrier
}

/** Opens data lanes over TLS where the peer has a bulk port that can be reached soon, else as libp2p streams. */
export class TlsFirst {
  readonly #components: TlsFirstComponents
  readonly #attempts: TlsAttempts | undefined

  constructor(components: TlsFirstComponents) {
    const { tls } = components
    this.#components = components
    this.#attempts = tls === undefined ? undefined : new TlsAttempts({ ...components, tls })
  }

  /**
   * The first channel there is; the signal also ends what is `faster`. Throws what the libp2p carrier throws,
   * `PeerStalledError` when the peer takes no stream, or the signal's reason.
   */
  async open(peerId: string, bulkPort: number | undefined, options: AttemptOptions): Promise<OpenedChannel> {
    const attempts = this.#attempts
    const openSlow = async (inner: AbortOptions) => await this.#openStream(peerId, inner)
    if (attempts === undefined || bulkPort === undefined) {
      return this.#counted({ channel: await openSlow(options), isFast: false, faster: undefined })
    }
    const race = new LaneRace({
      clock: this.#components.clock,
      patienceMs: attempts.patienceMs(peerId, bulkPort, options),
      openFast: async () => await attempts.open(peerId, bulkPort, options),
      openSlow,
    })
    return this.#counted(await race.run(options))
  }

  /** A channel over TLS, or `undefined` when the port cannot be used now. Throws the signal's reason only. */
  async openFast(peerId: string, bulkPort: number, options: AbortOptions): Promise<ByteChannel | undefined> {
    const channel = await this.#attempts?.open(peerId, bulkPort, { ...options, isFastUp: () => false })
    if (channel !== undefined) this.#components.metrics.lanes.inc({ carrier: 'tls', direction: 'sent' })
    return channel
  }

  async #openStream(peerId: string, { signal }: AbortOptions): Promise<ByteChannel> {
    const { libp2p, clock, limits } = this.#components
    const makeError = () => new PeerStalledError('the peer takes no more streams')
    const init = { clock, timeoutMs: limits.helloTimeoutMs, signal, makeError }
    return await withDeadline(init, (inner) => libp2p.open(peerId, { signal: inner }))
  }

  #counted({ channel, isFast, faster }: OpenedChannel): OpenedChannel {
    const { lanes, tlsLate } = this.#components.metrics
    lanes.inc({ carrier: isFast ? 'tls' : 'libp2p', direction: 'sent' })
    const counted = faster?.then((late) => {
      if (late === undefined) return undefined
      lanes.inc({ carrier: 'tls', direction: 'sent' })
      tlsLate.inc()
      return late
    })
    return { channel, isFast, faster: counted }
  }
}
