import { randomUUID } from 'node:crypto'
import { type AbortOptions, type Clock, isAbort, type PeerRole, type Random, ShoalError } from '../core/index.ts'
import { imageReferenceText, parsePlatform } from '../oci/index.ts'
import { rendezvousWeight } from '../scheduler/index.ts'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { within } from '../util/index.ts'
import pLimit from 'p-limit'
import { type ImagePullComponents, type PullEvent, pullImage } from './image-pull.ts'
import type { Answer, Ask } from './messages.ts'
import { type PrefetchMetrics, prefetchMetrics } from './metrics.ts'
import { chooseNodes } from './node-choice.ts'
import { MAX_HOPS, MAX_MEMBERS, type Order, type OrderedImage } from './order.ts'
import { OrderBook } from './order-book.ts'
import { pause } from './pause.ts'
import type { AnsweringChannel, PrefetchServer } from './ports.ts'
import { asError } from './reason.ts'
import { report } from './report.ts'
import { RunningOrder } from './running-order.ts'

/** Images pulled at once by orders; each takes three layers at a time. */
const PULLS_AT_ONCE = 2

/** Who opens a stream has something to say. */
const FIRST_MESSAGE_MS = 10_000

/** How long an outcome is kept for whoever is sent in the place of one that heard it and died with it, which takes half a minute. */
const KEPT_MS = 60_000

export interface PrefetcherInit {
  readonly role: PeerRole
  readonly zone: string
  /** Our host name, by which people know the node. */
  readonly name: string
}

export interface PrefetcherComponents {
  readonly network: PrefetchServer
  readonly images: ImagePullComponents
  readonly isTracker: (peerId: string) => boolean
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Metrics
}

/** Which agents are meant: all, so many, or those of a zone. */
export type Nodes = 'all' | number | { readonly zone: string }

export interface OrderRequest {
  readonly image: OrderedImage
  readonly nodes: Nodes
  readonly platform: string | undefined
  readonly timeoutMs: number
}

/** Too much is under way. */
export class PrefetchBusyError extends ShoalError {
  constructor() {
    super('too many prefetches are under way here: wait for one to end', {
      code: 'PREFETCH_BUSY',
      blame: 'caller',
      retryable: true,
    })
  }
}

/** Orders to prefetch an image: given here, or passed on by a peer, carried out and passed on. */
export class Prefetcher {
  readonly #init: PrefetcherInit
  readonly #components: PrefetcherComponents
  readonly #logger: Logger
  readonly #metrics: PrefetchMetrics
  readonly #book: OrderBook
  readonly #turns = pLimit(PULLS_AT_ONCE)
  readonly #stopping = new AbortController()
  readonly #tasks = new Set<Promise<void>>()

  constructor(init: PrefetcherInit, components: PrefetcherComponents) {
    this.#init = init
    this.#components = components
    this.#logger = components.logger.child({ module: 'prefetch' })
    this.#book = new OrderBook()
    this.#metrics = prefetchMetrics(components.metrics, () => this.#book.size)
  }

  /** Begins to take orders of peers. */
  async start(): Promise<void> {
    await this.#components.network.serve(async (channel) => {
      const serving = this.#serve(channel)
      this.#track(serving)
      await serving
    })
  }

  /** Ends what is under way here; an order goes on at the nodes that have it. */
  async stop(): Promise<void> {
    this.#stopping.abort(new DOMException('this process stops', 'AbortError'))
    await this.#components.network.stop()
    for (const order of this.#book.running()) order.abandon()
    await Promise.all(this.#tasks)
  }

  /** The orders that this process has a part in, and the last ones that were given here and ended. */
  orders(): readonly RunningOrder[] {
    return this.#book.all()
  }

  /** Gives an order. Resolves when it is under way, with how many nodes fewer there are than asked for. Throws a PrefetchBusyError. */
  async begin(request: OrderRequest, { signal }: AbortOptions): Promise<{ order: RunningOrder; missing: number }> {
    this.#stopping.signal.throwIfAborted()
    if (!this.#book.hasRoom(undefined)) throw new PrefetchBusyError()
    const { nodes, image, platform, timeoutMs } = request
    const { members, isMeant, missing } = await this.#meantBy(nodes, image, signal)
    const target = typeof nodes === 'object' ? { kind: 'zone' as const, ...nodes } : targetOf(nodes)
    const id = randomUUID()
    const order = this.#run(
      { id, image, platform, target, timeoutMs, hops: MAX_HOPS, path: [], members, covered: [], isAgain: false },
      isMeant,
      undefined,
    )
    this.#logger.info({ id, image: imageText(image), nodes }, 'a prefetch was ordered')
    return { order, missing }
  }

  /** Whom the starter names, and whether it is meant itself. */
  async #meantBy(nodes: Nodes, { digest }: OrderedImage, signal: AbortSignal | undefined) {
    const { role, zone } = this.#init
    const isAgent = role === 'agent'
    if (nodes === 'all') return { members: [], isMeant: isAgent, missing: 0 }
    if (typeof nodes === 'object') return { members: [], isMeant: isAgent && zone === nodes.zone, missing: 0 }
    const { network } = this.#components
    const either = AbortSignal.any([this.#stopping.signal, ...(signal === undefined ? [] : [signal])])
    const others = await chooseNodes(nodes, digest, this.#components, either)
    const self = isAgent ? [{ id: network.selfId, addresses: [] }] : []
    const rank = ({ id }: { readonly id: string }) => rendezvousWeight(digest, id)
    const chosen = [...self, ...others].toSorted((a, b) => rank(b) - rank(a)).slice(0, nodes)
    const members = chosen.filter(({ id }) => id !== network.selfId)
    return { members, isMeant: members.length < chosen.length, missing: nodes - chosen.length }
  }

  async #serve(channel: AnsweringChannel): Promise<void> {
    const { clock } = this.#components
    try {
      const ask = await within(clock, FIRST_MESSAGE_MS, this.#stopping.signal, async (signal) =>
        channel.receive({ signal }),
      )
      if (ask.kind === 'order') await this.#take(channel, ask)
      else if (ask.kind === 'members') await this.#answer(channel, await this.#acquaintances())
      else channel.close()
    } catch (error) {
      if (!isAbort(error)) this.#logger.debug({ peer: channel.peerId, err: error }, 'an order was not served')
      channel.abort(asError(error))
    }
  }

  async #take(channel: AnsweringChannel, { kind: _, ...order }: Ask & { kind: 'order' }): Promise<void> {
    const { network, clock } = this.#components
    const known = this.#book.get(order.id)
    const isOld = known === undefined ? this.#book.hasEnded(order.id) : !known.mayMoveTo(channel.peerId, order)
    if (isOld || order.path.includes(network.selfId)) return await this.#answer(channel, { kind: 'elsewhere' })
    if (known === undefined && !this.#book.hasRoom(channel.peerId)) {
      this.#metrics.refused.inc()
      const reason = 'takes no more orders: too many are under way'
      return await this.#answer(channel, { kind: 'refused', name: this.#init.name, reason })
    }
    known?.extend(order)
    const running = known ?? this.#run(order, this.#isMeant(order), channel.peerId)
    await report(channel, running, { name: this.#init.name, clock, signal: this.#stopping.signal })
  }

  #isMeant({ target }: Order): boolean {
    const { role, zone } = this.#init
    return role === 'agent' && (target.kind !== 'zone' || target.zone === zone)
  }

  #run(order: Order, isMeant: boolean, from: string | undefined): RunningOrder {
    const { network, clock, random, isTracker } = this.#components
    const running = new RunningOrder(
      { order, name: this.#init.name, isMeant, isStarter: from === undefined },
      {
        network,
        clock,
        random,
        isTracker,
        turns: this.#turns,
        pull: (ordered, signal) => this.#pull(ordered, signal),
      },
    )
    this.#metrics.orders.inc({ from: from === undefined ? 'admin' : 'peer' })
    this.#book.add(running, from)
    running.start()
    this.#track(this.#closeWhenFinished(running))
    return running
  }

  async #closeWhenFinished(order: RunningOrder): Promise<void> {
    await order.finished()
    if (!order.isStarter) await pause(this.#components.clock, KEPT_MS, this.#stopping.signal)
    this.#book.end(order.order.id)
  }

  async *#pull(order: Order, signal: AbortSignal): AsyncGenerator<PullEvent> {
    const { images, logger } = { ...this.#components, logger: this.#logger }
    const platform = order.platform === undefined ? undefined : parsePlatform(order.platform)
    const image = imageText(order.image)
    try {
      for await (const event of pullImage(image, images, { platform, signal })) {
        if (event.type === 'done') {
          const { peers, tracker, origin } = event.bytesBySource
          this.#metrics.pulledBytes.inc(peers + tracker + origin)
        }
        yield event
      }
      this.#metrics.pulls.inc({ result: 'done' })
    } catch (error) {
      this.#metrics.pulls.inc({ result: isAbort(error) ? 'cancelled' : 'failed' })
      if (!isAbort(error)) logger.warn({ err: error, image, id: order.id }, 'an image could not be prefetched')
      throw error
    }
  }

  async #acquaintances(): Promise<Answer> {
    const { network, isTracker } = this.#components
    const members = (await network.members()).filter(({ id }) => !isTracker(id))
    return { kind: 'members', role: this.#init.role, members: members.slice(0, MAX_MEMBERS) }
  }

  async #answer(channel: AnsweringChannel, answer: Answer): Promise<void> {
    await within(this.#components.clock, FIRST_MESSAGE_MS, this.#stopping.signal, async (signal) =>
      channel.send(answer, { signal }),
    )
    channel.close()
  }

  #track(task: Promise<void>): void {
    const tracked = task.finally(() => this.#tasks.delete(tracked))
    this.#tasks.add(tracked)
  }
}

function targetOf(nodes: 'all' | number) {
  return { kind: nodes === 'all' ? ('all' as const) : ('named' as const) }
}

/** The image by its digest alone. */
export function imageText(image: OrderedImage): string {
  return imageReferenceText({ ...image, tag: undefined })
}
