import {
  type AbortOptions,
  type Clock,
  type Digest,
  type PeerRef,
  type PeerRole,
  ShoalError,
} from '../../src/core/index.ts'
import { generateIdentity, peerIdOf } from '../../src/p2p/index.ts'
import {
  type ImagePullComponents,
  type PrefetchEvent,
  type PrefetchRequest,
  Prefetcher,
  prefetch,
} from '../../src/prefetch/index.ts'
import { encodeMessage, parseAnswer, parseAsk } from '../../src/prefetch/messages.ts'
import type { AnsweringChannel, AskingChannel, Channel, PrefetchServer } from '../../src/prefetch/ports.ts'
import type { BlobHandle } from '../../src/scheduler/index.ts'
import { Metrics, silentLogger } from '../../src/telemetry/index.ts'
import { abortable } from '../../src/util/index.ts'
import { manifestOf } from './catalog-fakes.ts'
import { VirtualClock } from './virtual-clock.ts'

/** One way, as on a local network. */
const LATENCY_MS = 1

const NAMESPACE = 'registry.test'
export const REFERENCE = `${NAMESPACE}/team/app:v1`
const manifest = manifestOf('app')

/** The image of every registry here. */
export const IMAGE = { namespace: NAMESPACE, repository: 'team/app', digest: manifest.digest }

/** Its configuration and its layer. */
const BLOBS = 2

export interface FakeNodeInit {
  readonly role?: PeerRole
  readonly zone?: string
  /** How long its pull takes; 2 s when left out. */
  readonly pullMs?: number
  /** Its pull fails with this. */
  readonly failsWith?: string
}

/** Nodes that prefetch, with messages for a network, timers for pulls, and virtual time. */
export class PrefetchSwarm {
  readonly clock = new VirtualClock()
  readonly nodes: FakeNode[] = []
  /** Streams opened so far, and messages sent. */
  readonly counts = { streams: 0, messages: 0 }

  static async of(count: number, init: (index: number) => FakeNodeInit = () => ({})): Promise<PrefetchSwarm> {
    const swarm = new PrefetchSwarm()
    for (let index = 0; index < count; index++) {
      const id = peerIdOf(await generateIdentity())
      swarm.nodes.push(new FakeNode(swarm, id, `node-${index}`, init(index)))
    }
    for (const node of swarm.nodes) await node.prefetcher.start()
    return swarm
  }

  node(index: number): FakeNode {
    const node = this.nodes[index]
    if (node === undefined) throw new Error(`no node ${index}`)
    return node
  }

  byId(id: string): FakeNode | undefined {
    return this.nodes.find((node) => node.id === id)
  }

  /** Makes the two know each other. */
  join(a: number, b: number): void {
    this.node(a).known.add(this.node(b).id)
    this.node(b).known.add(this.node(a).id)
  }

  /** Makes everybody know everybody. */
  joinAll(): void {
    for (const a of this.nodes) for (const b of this.nodes) if (a !== b) a.known.add(b.id)
  }

  async stop(): Promise<void> {
    const stopping = Promise.all(this.nodes.map(async (node) => await node.prefetcher.stop()))
    await this.clock.advance(1)
    await stopping
  }
}

export class FakeNode {
  readonly id: string
  readonly name: string
  readonly images: ImagePullComponents
  readonly network: PrefetchServer
  prefetcher: Prefetcher
  /** PeerIds of the nodes that it is connected to. */
  readonly known = new Set<string>()
  readonly wires = new Set<Wire>()
  /** Blobs of the image that it holds. */
  readonly held = new Set<Digest>()
  /** Blobs that were cancelled. */
  cancelledCount = 0
  /** Blobs that are being fetched. */
  openCount = 0
  isDead = false
  /** Takes messages and never answers, as a machine that lost its power. */
  isSilent = false
  serve: ((channel: AnsweringChannel) => Promise<void>) | undefined
  readonly #init: FakeNodeInit
  readonly #swarm: PrefetchSwarm

  constructor(swarm: PrefetchSwarm, id: string, name: string, init: FakeNodeInit) {
    this.id = id
    this.name = name
    this.images = imagesOf(this, init, swarm.clock)
    this.#init = init
    this.#swarm = swarm
    this.network = new FakeNetwork(swarm, this)
    this.isKnownTracker = init.role === 'tracker'
    this.prefetcher = this.#makePrefetcher()
  }

  #makePrefetcher(): Prefetcher {
    const swarm = this.#swarm
    const { role = 'agent', zone = '' } = this.#init
    const components = {
      network: this.network,
      images: this.images,
      isTracker: (peerId: string) => swarm.byId(peerId)?.isKnownTracker === true,
      clock: swarm.clock,
      random: Math.random,
      logger: silentLogger(),
      metrics: new Metrics(),
    }
    return new Prefetcher({ role, zone, name: this.name }, components)
  }

  readonly isKnownTracker: boolean

  /** Whether it holds the whole image. */
  get holds(): boolean {
    return this.held.size === BLOBS
  }

  /** Gives an order here; what it tells is gathered until its end, which `failure` says when it is not a good one. */
  order(request: Partial<PrefetchRequest> = {}): GivenOrder {
    const leaving = new AbortController()
    const given: GivenOrder = { events: [], isOver: false, leave: () => leaving.abort() }
    void this.#gather(request, leaving.signal, given)
    return given
  }

  async #gather(request: Partial<PrefetchRequest>, signal: AbortSignal, given: GivenOrder): Promise<void> {
    const whole = { reference: REFERENCE, nodes: 'all' as const, timeoutMs: 3_600_000, isDetached: false, ...request }
    const components = { prefetcher: this.prefetcher, images: this.images, clock: this.images.clock }
    try {
      for await (const event of prefetch(whole, components, { signal })) given.events.push(event)
    } catch (error) {
      given.failure = error
    }
    given.isOver = true
  }

  /** Breaks all its streams; nobody reaches it any more. */
  kill(): void {
    this.isDead = true
    for (const wire of [...this.wires]) wire.break(new Error('connection reset'))
  }

  /** Starts it anew, with nothing of what it was about. */
  revive(): void {
    this.isDead = false
    this.prefetcher = this.#makePrefetcher()
    void this.prefetcher.start()
  }
}

export interface GivenOrder {
  readonly events: PrefetchEvent[]
  isOver: boolean
  failure?: unknown
  /** Its caller hangs up. */
  leave(): void
}

/** The last event, which says how it ended. */
export function outcomeOf({ events, failure }: GivenOrder): PrefetchEvent & { type: 'done' } {
  const last = events.at(-1)
  if (last?.type !== 'done') throw new Error(`not done: ${JSON.stringify(last)}`, { cause: failure })
  return last
}

class FakeNetwork implements PrefetchServer {
  readonly selfId: string
  readonly #swarm: PrefetchSwarm
  readonly #node: FakeNode

  constructor(swarm: PrefetchSwarm, node: FakeNode) {
    this.#swarm = swarm
    this.#node = node
    this.selfId = node.id
  }

  async serve(answer: (channel: AnsweringChannel) => Promise<void>): Promise<void> {
    this.#node.serve = answer
  }

  async stop(): Promise<void> {
    this.#node.serve = undefined
  }

  async members(): Promise<readonly PeerRef[]> {
    return [...this.#node.known].map((id) => ({ id, addresses: [] }))
  }

  async open(peer: PeerRef, options: AbortOptions): Promise<AskingChannel> {
    const { clock, counts } = this.#swarm
    await abortable(new Promise<void>((resolve) => void clock.after(LATENCY_MS, resolve)), options.signal)
    const other = this.#swarm.byId(peer.id)
    if (this.#node.isDead || other === undefined || other.isDead || other.serve === undefined) {
      throw new Error('connection refused')
    }
    counts.streams++
    const wire = new Wire(this.#swarm, this.#node, other)
    void other.serve(wire.answering)
    return wire.asking
  }
}

/** One stream between two nodes; what is sent goes through the codec. */
class Wire {
  readonly asking: AskingChannel
  readonly answering: AnsweringChannel
  readonly #ends: readonly [End, End]
  readonly #nodes: readonly [FakeNode, FakeNode]

  constructor(swarm: PrefetchSwarm, from: FakeNode, to: FakeNode) {
    this.#nodes = [from, to]
    this.#ends = [new End(), new End()]
    const [near, far] = this.#ends
    for (const node of this.#nodes) node.wires.add(this)
    this.asking = this.#channel(swarm, to.id, from, far, near, parseAnswer)
    this.answering = this.#channel(swarm, from.id, to, near, far, parseAsk)
  }

  break(error: Error): void {
    for (const end of this.#ends) end.fail(error)
    for (const node of this.#nodes) node.wires.delete(this)
  }

  #channel<Sent extends Parameters<typeof encodeMessage>[0], Received>(
    { clock, counts }: PrefetchSwarm,
    peerId: string,
    sender: FakeNode,
    out: End,
    inbox: End,
    parse: (frame: Uint8Array) => Received,
  ): Channel<Sent, Received> {
    return {
      peerId,
      send: async (message) => {
        if (out.error !== undefined) throw out.error
        counts.messages++
        const frame = encodeMessage(message)
        if (!sender.isSilent) clock.after(LATENCY_MS, () => out.push(frame))
      },
      receive: async (options) => parse(await inbox.next(options)),
      close: () => void clock.after(LATENCY_MS, () => out.fail(new Error('unexpected end'))),
      abort: (error) => this.break(error),
    }
  }
}

/** Where what was sent arrives. */
class End {
  readonly #frames: Uint8Array[] = []
  #wake = Promise.withResolvers<void>()
  error: Error | undefined

  push(frame: Uint8Array): void {
    this.#frames.push(frame)
    this.#wake.resolve()
  }

  fail(error: Error): void {
    this.error ??= error
    this.#wake.resolve()
  }

  async next({ signal }: AbortOptions): Promise<Uint8Array> {
    for (;;) {
      const frame = this.#frames.shift()
      if (frame !== undefined) return frame
      if (this.error !== undefined) throw this.error
      this.#wake = Promise.withResolvers()
      await abortable(this.#wake.promise, signal)
    }
  }
}

/** What pulls the one image there is, whose blobs take `pullMs`, and what it has pulled so far. */
export function heldImages(
  clock: Clock,
  pullMs: number,
): { readonly images: ImagePullComponents; readonly held: ReadonlySet<Digest> } {
  const held = new Set<Digest>()
  const node = { held, cancelledCount: 0, openCount: 0 }
  return { images: imagesOf(node, { pullMs }, clock), held }
}

/** A registry with one image, whose blobs take their time. */
function imagesOf(
  node: Pick<FakeNode, 'held' | 'cancelledCount' | 'openCount'>,
  { pullMs = 2_000, failsWith }: FakeNodeInit,
  clock: Clock,
): ImagePullComponents {
  const open = async ({ digest, sizeBytes }: { readonly digest: Digest; readonly sizeBytes: number }) => {
    node.openCount++
    let isComplete = false
    const none = { store: 0, peers: 0, tracker: 0, origin: 0 }
    const handle = {
      sizeBytes,
      get isComplete() {
        return isComplete
      },
      get heldBytes() {
        return isComplete ? sizeBytes : 1
      },
      get bytesBySource() {
        return isComplete ? { ...none, peers: sizeBytes } : none
      },
      complete: async (_kind: string, _onProgress: () => void, { signal }: AbortOptions) => {
        signal?.addEventListener('abort', () => void (isComplete || node.cancelledCount++), { once: true })
        await abortable(new Promise<void>((resolve) => void clock.after(pullMs, resolve)), signal)
        isComplete = true
        node.held.add(digest)
      },
      close: () => void node.openCount--,
    }
    return handle as unknown as BlobHandle
  }
  return {
    allows: (namespace) => namespace === NAMESPACE,
    resolveTag: async () => ({ digest: manifest.digest }),
    manifest: async (_origins, digest) => {
      if (failsWith !== undefined) throw new ShoalError(failsWith, { code: 'X', blame: 'origin', retryable: false })
      return digest === manifest.digest ? manifest : undefined
    },
    open,
    clock,
    platform: { os: 'linux', architecture: 'amd64' },
  }
}
