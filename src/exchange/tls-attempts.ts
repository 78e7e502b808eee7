import type { AbortOptions, Clock } from '../core/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { abortable } from '../util/index.ts'
import type { ByteChannel } from './carrier.ts'
import { withDeadline } from './deadline.ts'
import { PeerClosedError, PeerStalledError } from './errors.ts'
import type { ExchangeLimits } from './limits.ts'
import type { ExchangeMetrics } from './metrics.ts'
import type { PeerStreams } from './peer-streams.ts'
import type { TlsCarrier } from './tls-carrier.ts'
import { HandshakeBounds } from './tls-handshake-bounds.ts'
import { TlsRests } from './tls-rests.ts'

export interface TlsAttemptsComponents {
  readonly tls: Pick<TlsCarrier, 'open'>
  readonly streams: Pick<PeerStreams, 'hostsOf'>
  readonly limits: ExchangeLimits
  readonly clock: Clock
  readonly metrics: ExchangeMetrics
  readonly logger: Logger
}

export interface AttemptOptions extends AbortOptions {
  /** Whether something of ours to this peer goes over TLS: a handshake that takes long then says nothing about the port. */
  readonly isFastUp: () => boolean
}

/** Hosts of one peer that are tried: where the connection goes, and one more in case that is a way which only one port takes. */
const MAX_HOSTS = 2

/** The attempt at a bulk port whose outcome those that begin meanwhile wait for. */
interface Lead {
  readonly startedMs: number
  readonly hasFailed: Promise<boolean>
}

/** Attempts at the bulk ports of peers. Owns those under way, and who was not reached. */
export class TlsAttempts {
  readonly #components: TlsAttemptsComponents
  readonly #rests: TlsRests
  readonly #bounds: HandshakeBounds
  readonly #leads = new Map<string, Lead>()

  constructor(components: TlsAttemptsComponents) {
    const { limits, clock } = components
    this.#components = components
    this.#rests = new TlsRests({ firstRestMs: limits.firstTlsRestMs, maxRestMs: limits.maxTlsRestMs }, clock)
    this.#bounds = new HandshakeBounds(limits.maxTlsAttempts, limits.maxTlsAttemptsPerPeer)
  }

  /**
   * What is left of the time that a lane waits for TLS alone: nothing, when another of the same peer has waited in vain, and
   * more where the port is known to be open.
   */
  patienceMs(peerId: string, port: number, { isFastUp }: AttemptOptions): number {
    const { clock, limits } = this.#components
    if (isFastUp()) return limits.tlsUpPatienceMs
    const startedMs = this.#leads.get(keyOf(peerId, port))?.startedMs ?? clock.now()
    return Math.max(0, startedMs + limits.tlsPatienceMs - clock.now())
  }

  /** A channel, or `undefined` when the port cannot be used now. Throws the signal's reason only. */
  async open(peerId: string, port: number, options: AttemptOptions): Promise<ByteChannel | undefined> {
    if (this.#rests.isResting(peerId, port)) return undefined
    const leave = this.#bounds.enter(peerId)
    if (leave === undefined) return undefined
    try {
      const lead = options.isFastUp() ? undefined : this.#leads.get(keyOf(peerId, port))
      if (lead !== undefined && (await abortable(lead.hasFailed, options.signal))) return undefined
      return await this.#lead(peerId, port, options)
    } finally {
      leave()
    }
  }

  /** Makes an attempt, and has those that begin meanwhile wait for it. */
  async #lead(peerId: string, port: number, options: AttemptOptions): Promise<ByteChannel | undefined> {
    const key = keyOf(peerId, port)
    const attempt = this.#attempt(peerId, port, options)
    if (this.#leads.has(key)) return await attempt
    // An attempt that was aborted has not failed: those that waited for it go on.
    const hasFailed = attempt.then(
      (channel) => channel === undefined,
      () => false,
    )
    this.#leads.set(key, { startedMs: this.#components.clock.now(), hasFailed })
    try {
      return await attempt
    } finally {
      this.#leads.delete(key)
    }
  }

  async #attempt(peerId: string, port: number, options: AttemptOptions): Promise<ByteChannel | undefined> {
    const { metrics, logger } = this.#components
    try {
      const channel = await this.#reach(peerId, port, options)
      this.#rests.reached(peerId)
      return channel
    } catch (error) {
      options.signal?.throwIfAborted()
      const isBusy = error instanceof PeerStalledError && options.isFastUp()
      if (!isBusy) this.#rests.failed(peerId, port)
      metrics.tlsFallbacks.inc()
      logger.debug({ err: error, peer: peerId, port, isBusy }, 'a bulk port cannot be used; libp2p takes its place')
      return undefined
    }
  }

  /** Tries the hosts one after the other; each has its share of the time that is left. */
  async #reach(peerId: string, port: number, { signal }: AbortOptions): Promise<ByteChannel> {
    const { tls, streams, clock, limits } = this.#components
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

function keyOf(peerId: string, port: number): string {
  return `${peerId} ${port}`
}
