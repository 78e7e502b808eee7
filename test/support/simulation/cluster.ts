import {
  type AbortOptions,
  type BlobRef,
  type Digest,
  type OriginRef,
  type PeerRef,
  type PeerRole,
  ShoalError,
} from '../../../src/core/index.ts'
import { PeerBusyError, PeerClosedError, PeerLacksChunkError, type Publisher } from '../../../src/exchange/index.ts'
import { DEFAULT_LIMITS } from '../../../src/exchange/limits.ts'
import { UploadSlots, type UploadSlotsInit } from '../../../src/exchange/upload-slots.ts'
import {
  defaultSettings,
  type FollowEvents,
  type Following,
  InFlightBudget,
  type OriginSource,
  type PeerLink,
  type PeerNetwork,
  Scheduler,
  type SchedulerSettings,
  trackerSettings,
} from '../../../src/scheduler/index.ts'
import { BlobDirectory, Supply } from '../../../src/supply/index.ts'
import { silentLogger } from '../../../src/telemetry/index.ts'
import { TrackerSeeder } from '../../../src/tracker/index.ts'
import { delay, Link, transfer } from './links.ts'
import { SimulatedContent, SimulatedStore } from './simulated-blob.ts'
import type { SteppedClock } from './tick-clock.ts'
import { unpooled } from '../../../src/util/index.ts'

export interface ClusterInit {
  readonly clock: SteppedClock
  readonly agents: number
  readonly contents: readonly SimulatedContent[]
  readonly nodeBytesPerSecond: number
  readonly originBytesPerSecond: number
  /** The tracker's link; as a node's unless named. */
  readonly trackerBytesPerSecond?: number
  readonly latencyMs?: number
  readonly hasTracker?: boolean
  /** Trackers, when more than one. */
  readonly trackers?: number
  /** Zones over which the agents are spread in turn. */
  readonly zones?: number
  /** Agents that each agent is connected to beside the first one, through which all join; all of them unless said. */
  readonly neighbours?: number
  readonly seed?: number
  readonly settings?: Partial<SchedulerSettings>
}

/** Chunks one node sends at once, as the exchange does; more wants wait for their turn before they are told busy. */
const UPLOADS: UploadSlotsInit = {
  slots: 5,
  maxWaiting: DEFAULT_LIMITS.maxWaitingUploads,
  maxWaitMs: DEFAULT_LIMITS.maxUploadWaitMs,
}

/** A tracker's receivers have other chunks coming in: it needs more of them at a time to fill its link. */
const TRACKER_UPLOADS: UploadSlotsInit = { ...UPLOADS, slots: 8 }

/** How often it is looked whether a stopped process goes on. */
const STOPPED_LOOK_MS = 100

class OriginDownError extends ShoalError {
  constructor() {
    super('origin is down', { code: 'ORIGIN_DOWN', blame: 'origin', retryable: true })
  }
}

/** One simulated process: the project's own scheduler and supply over a simulated store, network and link. */
export class SimulatedNode {
  readonly id: string
  readonly role: PeerRole
  readonly zone: string
  readonly link: Link
  /** Agents it is connected to; everybody when nobody said. */
  neighbours: readonly string[] | undefined
  readonly store: SimulatedStore
  readonly scheduler: Scheduler
  readonly supply: Supply
  readonly seeder: TrackerSeeder | undefined
  readonly punished: string[] = []
  /** Requests made of the origin, and bytes from other zones. */
  originRequests = 0
  crossedBytes = 0
  readonly followers = new Set<() => void>()
  /** Requests to peers: all there were, those under way, and the most at a time. */
  readonly requests = { total: 0, now: 0, most: 0, mostToPeer: 0 }
  /** Messages of the exchange that it sent: wants and their answers, news for followers, follows. */
  sentMessages = 0
  isDead = false
  /** Sends bytes that are not what it says. */
  lies = false
  /** Accepts wants and never answers. */
  stalls = false
  readonly slots: UploadSlots

  constructor(id: string, role: PeerRole, cluster: SimulatedCluster, zone = '') {
    const { clock, nodeBytesPerSecond, contents } = cluster.init
    this.id = id
    this.role = role
    this.zone = zone
    const rate = role === 'tracker' ? (cluster.init.trackerBytesPerSecond ?? nodeBytesPerSecond) : nodeBytesPerSecond
    this.link = new Link({ upBytesPerSecond: rate, downBytesPerSecond: rate })
    this.slots = new UploadSlots(role === 'tracker' ? TRACKER_UPLOADS : UPLOADS, clock)
    this.store = new SimulatedStore(contents)
    const directory = new BlobDirectory(cluster.random)
    const logger = silentLogger()
    const settings: SchedulerSettings = {
      ...(role === 'tracker' ? trackerSettings : defaultSettings),
      ...(role === 'tracker' ? {} : cluster.init.settings),
    }
    this.scheduler = new Scheduler(
      { selfId: id, role, zone, settings },
      {
        store: this.store,
        layoutOf: (ref) => cluster.contentOf(ref.digest).layout,
        network: cluster.networkOf(this),
        router: {
          findPeers: async function* (digest) {
            yield* directory.introduce(digest, id, 16)
          },
          provide: () => undefined,
        },
        origin: cluster.originFor(this),
        budget: new InFlightBudget(settings.inFlightBytes),
        clock,
        random: cluster.random,
        logger,
        hash: SimulatedContent.hash,
        isTrustedSigner: (signer) => cluster.trackers.some((tracker) => tracker.id === signer),
        makeMap: async () => undefined,
      },
    )
    this.seeder =
      role === 'tracker' ? new TrackerSeeder({ scheduler: this.scheduler, directory, clock, logger }) : undefined
    this.supply = new Supply({
      store: this.store,
      scheduler: this.scheduler,
      directory,
      clock,
      logger,
      ...(this.seeder === undefined ? {} : { seeder: this.seeder }),
    })
  }

  /** Reads the whole blob as a client would; resolves with the number of bytes read. */
  async pull(content: SimulatedContent, origins: readonly OriginRef[] = [{ namespace: 'origin', repository: 'app' }]) {
    return await this.#read(content, { start: 0, end: content.ref.sizeBytes }, 'whole', origins)
  }

  /** Reads one range of the blob as a lazy client would; resolves with the number of bytes read. */
  async readRange(content: SimulatedContent, start: number, end: number) {
    return await this.#read(content, { start, end }, 'range', [{ namespace: 'origin', repository: 'app' }])
  }

  async #read(
    content: SimulatedContent,
    range: { readonly start: number; readonly end: number },
    kind: 'whole' | 'range',
    origins: readonly OriginRef[],
  ): Promise<number> {
    const handle = await this.scheduler.open(content.ref, { origins }, {})
    try {
      let bytes = 0
      for await (const piece of handle.read(range, kind, {})) bytes += piece.byteLength
      return bytes
    } finally {
      handle.close()
    }
  }

  kill(): void {
    this.isDead = true
    for (const leave of [...this.followers]) leave()
  }
}

/** A deterministic pseudo-random sequence (mulberry32), so that a failing run can be run again. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Agents, at most one tracker and an origin, all in this process under virtual time. */
export class SimulatedCluster {
  readonly init: ClusterInit
  readonly random: () => number
  readonly agents: SimulatedNode[] = []
  readonly trackers: SimulatedNode[] = []
  readonly originLink: Link
  readonly #nodes = new Map<string, SimulatedNode>()
  isOriginDown = false

  constructor(init: ClusterInit) {
    this.init = init
    this.random = seededRandom(init.seed ?? 1)
    this.originLink = new Link({
      upBytesPerSecond: init.originBytesPerSecond,
      downBytesPerSecond: init.originBytesPerSecond,
    })
    const trackers = init.trackers ?? (init.hasTracker === false ? 0 : 1)
    for (let i = 1; i <= trackers; i++) this.trackers.push(this.#add(`tracker-${i}`, 'tracker'))
    for (let i = 0; i < init.agents; i++) this.agents.push(this.#add(`agent-${i}`, 'agent', this.#zoneOf(i)))
    if (init.neighbours !== undefined) this.#acquaint(init.neighbours)
  }

  get originBytes(): number {
    return this.originLink.sentBytes
  }

  join(id: string): SimulatedNode {
    const agent = this.#add(id, 'agent')
    this.agents.push(agent)
    return agent
  }

  async stop(): Promise<void> {
    const stopping = [...this.#nodes.values()].map(async (node) => {
      await node.seeder?.stop()
      await node.supply.stop()
      await node.scheduler.stop()
    })
    await this.init.clock.advance(1)
    await Promise.all(stopping)
  }

  networkOf(self: SimulatedNode): PeerNetwork {
    return {
      connect: async (peer, options) => await this.#connect(self, peer, options),
      trackers: () => this.trackers.filter((tracker) => tracker !== self).map(({ id }) => ({ id, addresses: [] })),
      neighbours: () =>
        (self.neighbours ?? this.agents.map(({ id }) => id))
          .filter((id) => id !== self.id)
          .map((id) => ({ id, addresses: [] })),
      punish: (peerId) => void self.punished.push(peerId),
    }
  }

  originFor(node: SimulatedNode): OriginSource {
    return { readBlob: (ref, _access, range, { signal }) => this.#readOrigin(node, ref, range, signal) }
  }

  async *#readOrigin(
    node: SimulatedNode,
    ref: BlobRef,
    range: { start: number; end: number },
    signal: AbortSignal | undefined,
  ): AsyncIterable<Uint8Array> {
    const content = this.contentOf(ref.digest)
    const { layout } = content
    node.originRequests++
    for (let chunk = layout.chunkAt(range.start); chunk < layout.chunkCount; chunk++) {
      if (layout.offsetOf(chunk) >= range.end) return
      if (this.isOriginDown) throw new OriginDownError()
      const bytes = content.bytesWithin(chunk, range)
      await transfer(this.init.clock, this.originLink, node.link, bytes.byteLength, 1, signal)
      yield bytes
    }
  }

  #zoneOf(index: number): string {
    const { zones = 0 } = this.init
    return zones === 0 ? '' : `zone-${index % zones}`
  }

  /** Everybody knows the first agent, and some that it happened to meet. */
  #acquaint(count: number): void {
    const met = new Map(this.agents.map(({ id }) => [id, new Set<string>()]))
    const meet = (a: string, b: string) => a !== b && met.get(a)?.add(b) && met.get(b)?.add(a)
    for (const { id } of this.agents) {
      meet(id, this.agents[0]?.id ?? id)
      for (let i = 0; i < count / 2; i++)
        meet(id, this.agents[Math.floor(this.random() * this.agents.length)]?.id ?? id)
    }
    for (const agent of this.agents) agent.neighbours = [...(met.get(agent.id) ?? [])]
  }

  #add(id: string, role: PeerRole, zone = ''): SimulatedNode {
    const node = new SimulatedNode(id, role, this, zone)
    this.#nodes.set(id, node)
    return node
  }

  contentOf(digest: Digest): SimulatedContent {
    const content = this.init.contents.find(({ ref }) => ref.digest === digest)
    if (content === undefined) throw new Error(`no content ${digest}`)
    return content
  }

  async #connect(self: SimulatedNode, peer: PeerRef, { signal }: AbortOptions): Promise<PeerLink> {
    const remote = this.#nodes.get(peer.id)
    await delay(this.init.clock, this.init.latencyMs ?? 1, signal)
    if (remote === undefined || remote.isDead) throw new PeerClosedError(`${peer.id} is not there`)
    return {
      id: remote.id,
      role: remote.role,
      zone: remote.zone,
      follow: (ref, origins, events) => this.#follow(self, remote, ref, origins, events),
    }
  }

  #follow(
    self: SimulatedNode,
    remote: SimulatedNode,
    ref: BlobRef,
    origins: readonly OriginRef[],
    events: FollowEvents,
  ): Following {
    let isOpen = true
    let requestsNow = 0
    // What a stopped process was about to say comes when it goes on.
    const later = (tell: () => void, delayMs = this.init.latencyMs ?? 1): void =>
      void this.init.clock.after(delayMs, () => {
        if (!isOpen) return
        if (remote.stalls) later(tell, STOPPED_LOOK_MS)
        else tell()
      })
    const leave = () => {
      if (!isOpen) return
      isOpen = false
      remote.followers.delete(leave)
      subscription?.close()
      events.onClosed()
    }
    self.sentMessages++
    const send = (tell: () => void) => {
      remote.sentMessages++
      later(tell)
    }
    const publisher: Publisher = {
      bitfield: (bits) => send(() => events.onBitfield(bits)),
      have: (chunks, digests) => send(() => events.onHave(chunks, digests)),
      peers: (peers) => send(() => events.onPeers(peers)),
      gone: () => send(leave),
    }
    const peer = { id: self.id, addresses: [], role: self.role, zone: self.zone }
    const subscription = remote.supply.follow(peer, ref, origins, publisher)
    if (subscription === undefined) publisher.gone()
    remote.followers.add(leave)
    return {
      request: async (chunk, options) => {
        const { requests } = self
        requests.total++
        requests.most = Math.max(requests.most, ++requests.now)
        requests.mostToPeer = Math.max(requests.mostToPeer, ++requestsNow)
        try {
          return await this.#request(self, remote, ref, chunk, options)
        } finally {
          requests.now--
          requestsNow--
        }
      },
      requestMap: async ({ signal }) => {
        await delay(this.init.clock, remote.stalls ? 3_600_000 : (this.init.latencyMs ?? 1), signal)
        return undefined
      },
      close: leave,
    }
  }

  async #request(
    self: SimulatedNode,
    remote: SimulatedNode,
    ref: BlobRef,
    wanted: number | 'any',
    { signal }: AbortOptions,
  ) {
    const { clock, latencyMs } = this.init
    // The want and its answer.
    self.sentMessages++
    remote.sentMessages++
    await delay(clock, latencyMs ?? 1, signal)
    if (remote.isDead) throw new PeerClosedError('peer died')
    if (remote.stalls) await delay(clock, 3_600_000, signal)
    const options = signal === undefined ? {} : { signal }
    // As the exchange serves wants: a chunk asked for by number takes a slot first, one chosen here waits for its slot.
    const early = wanted === 'any' ? undefined : await remote.slots.acquire({ urgency: 'soon', ...options })
    if (early !== undefined && 'busyMs' in early) throw new PeerBusyError(early.busyMs, [])
    let slot = early
    try {
      const found = await remote.supply.read(self.id, ref, wanted, 'soon', options)
      if (found === 'lacks') throw new PeerLacksChunkError()
      if ('busyMs' in found) throw new PeerBusyError(found.busyMs, found.alternates)
      const late = slot ?? (await remote.slots.acquire({ urgency: 'soon', isPatient: true, ...options }))
      if ('busyMs' in late) throw new PeerBusyError(late.busyMs, [])
      slot = late
      const bytes = found.bytes instanceof Uint8Array ? found.bytes : (await found.bytes({})).bytes
      await transfer(clock, remote.link, self.link, bytes.byteLength, latencyMs ?? 1, signal)
      if (remote.isDead) throw new PeerClosedError('peer died')
      const payload = unpooled(remote.lies ? new Uint8Array(bytes.byteLength) : bytes)
      return { chunk: found.chunk, payload, digest: found.digest }
    } finally {
      slot?.release()
    }
  }
}
