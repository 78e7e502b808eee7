import type { AbortOptions } from '../../src/core/index.ts'
import { gridLayoutOf, type LayoutOf } from '../../src/exchange/blob-layout.ts'
import type { PeerProtocolError } from '../../src/exchange/index.ts'
import { InboundPeers } from '../../src/exchange/inbound-peers.ts'
import { Lane } from '../../src/exchange/lane.ts'
import { DEFAULT_LIMITS, type ExchangeLimits, PROTOCOL_VERSION } from '../../src/exchange/limits.ts'
import { Link, type LinkInit } from '../../src/exchange/link.ts'
import type { HelloMessage } from '../../src/exchange/messages.ts'
import { exchangeMetrics } from '../../src/exchange/metrics.ts'
import { UploadSlots } from '../../src/exchange/upload-slots.ts'
import { Metrics, silentLogger } from '../../src/telemetry/index.ts'
import { TestSupply, testBlob, turns } from './exchange-bench.ts'
import { type MemoryChannel, type MemoryChannelOptions, memoryChannelPair } from './memory-carrier.ts'
import { VirtualClock } from './virtual-clock.ts'
import { BufferPool } from '../../src/util/index.ts'

export interface ExchangePairOptions extends MemoryChannelOptions {
  readonly limits?: Partial<ExchangeLimits>
  readonly uploadSlots?: number
  readonly maxLanes?: number
  readonly chunkCount?: number
  /** What the far end's hello names. */
  readonly bulkPort?: number
}

const hello = (role: 'agent' | 'tracker'): HelloMessage => ({
  kind: 'hello',
  version: PROTOCOL_VERSION,
  role,
  zone: `zone of the ${role}`,
})

/** A requester and a server joined by memory channels under virtual time. */
export class ExchangePair {
  readonly clock = new VirtualClock()
  /** What is given back too early shows as rubbish. */
  readonly buffers = new BufferPool({ maxIdleBytes: 1 << 24, isPoisoning: true }, { clock: this.clock })
  readonly supply: TestSupply
  readonly metrics = new Metrics()
  readonly limits: ExchangeLimits
  readonly slots: UploadSlots
  readonly inbound: InboundPeers
  /** Our ends and theirs of the streams, in the order of opening; the first is the control stream. */
  readonly near: MemoryChannel[] = []
  readonly far: MemoryChannel[] = []
  readonly breaches: PeerProtocolError[] = []
  readonly closings: (Error | undefined)[] = []
  /** Times that the control stream moved. */
  moves = 0
  /** How a control stream is opened at the far end's bulk port. */
  openFastControl: LinkInit['openFastControl'] = async () => undefined
  /** How data lanes are opened. */
  openLane: LinkInit['openLane'] = async () => ({ lane: new Lane(this.channel()), isFast: false })
  /** Where the far end cuts blobs. */
  farLayoutOf: LayoutOf = gridLayoutOf
  readonly #options: ExchangePairOptions

  constructor(options: ExchangePairOptions = {}) {
    this.#options = options
    this.limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.supply = new TestSupply(testBlob((options.chunkCount ?? 4) * 1024 * 1024 - 1000))
    this.slots = new UploadSlots(
      {
        slots: options.uploadSlots ?? 4,
        maxWaiting: this.limits.maxWaitingUploads,
        maxWaitMs: this.limits.maxUploadWaitMs,
      },
      this.clock,
    )
    const metrics = exchangeMetrics(new Metrics())
    this.inbound = new InboundPeers(
      {
        hello: { ...hello('tracker'), bulkPort: options.bulkPort },
        limits: this.limits,
        onBreach: (_peer, error) => this.breaches.push(error),
      },
      {
        supply: this.supply,
        layoutOf: (ref) => this.farLayoutOf(ref),
        addressesOf: async (peerId) => [`/dns4/${peerId}/tcp/1`],
        limits: this.limits,
        clock: this.clock,
        logger: silentLogger(),
        metrics,
        trafficOf: () => metrics.traffic,
        slots: this.slots,
      },
    )
  }

  /** One more stream from the requester; the far end is served unless `isServed` is false. */
  channel(isServed = true): MemoryChannel {
    const [near, far] = memoryChannelPair(['near', 'far'], this.#options)
    this.near.push(near)
    this.far.push(far)
    if (isServed) this.inbound.accept(far)
    return near
  }

  /** A link whose hellos have been said. */
  async link(): Promise<Link> {
    const opening = this.opening()
    await turns()
    return await opening
  }

  /** A link that is being opened. */
  opening(options: AbortOptions = {}): Promise<Link> {
    const opening = Link.open(
      {
        hello: hello('agent'),
        maxLanes: this.#options.maxLanes ?? 2,
        limits: this.limits,
        clock: this.clock,
        metrics: exchangeMetrics(this.metrics),
        buffers: this.buffers,
        layoutOf: gridLayoutOf,
        openControl: async () => new Lane(this.channel()),
        openFastControl: async (bulkPort, options) => await this.openFastControl(bulkPort, options),
        openLane: async (bulkPort, options) => await this.openLane(bulkPort, options),
        onClosed: (error) => this.closings.push(error),
        onMoved: () => void this.moves++,
      },
      options,
    )
    // A test may look at a failure only after time has passed.
    opening.catch(() => undefined)
    return opening
  }
}
