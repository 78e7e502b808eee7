import type { Clock, PeerRef, Random, Timer } from '../core/index.ts'
import { Branch } from './branch.ts'
import type { PullEvent } from './image-pull.ts'
import { FAN_OUT, MAX_COVERED, MAX_MEMBERS, type Order, tailOf } from './order.ts'
import { OwnPull, type Turns } from './own-pull.ts'
import type { PrefetchNetwork } from './ports.ts'
import { EMPTY_TALLY, sumOf, type Tally, tallyOf, withoutUnreached } from './tally.ts'

/** How much longer than those it has told a node waits, so that it hears from them that their time was up. */
const LAST_WORD_MS = 5_000

export interface RunningOrderInit {
  readonly order: Order
  /** Our host name. */
  readonly name: string
  /** Whether we are to fetch the image ourselves. */
  readonly isMeant: boolean
  /** Whether the order began here, and nobody else hears what comes of it. */
  readonly isStarter: boolean
}

export interface RunningOrderComponents {
  readonly network: PrefetchNetwork
  readonly clock: Clock
  readonly random: Random
  readonly turns: Turns
  readonly pull: (order: Order, signal: AbortSignal) => AsyncIterable<PullEvent>
  readonly isTracker: (peerId: string) => boolean
}

/** One node's part in an order: its own pull, and the branches of those whom it tells. */
export class RunningOrder {
  readonly order: Order
  readonly isMeant: boolean
  readonly isStarter: boolean
  readonly #components: RunningOrderComponents
  readonly #ending = new AbortController()
  readonly #own: OwnPull | undefined
  readonly #branches = new Set<Branch>()
  /** PeerIds of those in our branches. */
  readonly #told = new Set<string>()
  readonly #covered: Set<string>
  /** Told here or further on, and not yet said to the listener. */
  #news: PeerRef[] = []
  readonly #tasks = new Set<Promise<void>>()
  readonly #endsAtMs: number
  /** Of branches that are over and were tried again, and of members that are too far away. */
  #settled: Tally = EMPTY_TALLY
  #listener: { readonly peerId: string; readonly replaced: AbortController } | undefined
  #path: readonly string[]
  #hops: number
  #timers: Timer[] = []
  /** Host names of those that are tried again, by PeerId. */
  readonly #names = new Map<string, string>()
  #isRetried = false
  #isAbandoned = false

  constructor({ order, name, isMeant, isStarter }: RunningOrderInit, components: RunningOrderComponents) {
    const { selfId } = components.network
    this.order = order
    this.isMeant = isMeant
    this.isStarter = isStarter
    this.#components = components
    this.#own = isMeant ? new OwnPull({ peer: selfId, name }) : undefined
    this.#covered = new Set([...order.covered, tailOf(selfId)])
    this.#endsAtMs = components.clock.now() + order.timeoutMs
    this.#path = order.path
    this.#hops = order.hops
  }

  /** Begins to pull and to tell others. */
  start(): void {
    const { clock, turns, pull } = this.#components
    const { timeoutMs } = this.order
    const late = new AbortController()
    const expire = () => late.abort(new DOMException('not done within the time of the order', 'TimeoutError'))
    this.#timers = [clock.after(timeoutMs, expire), clock.after(timeoutMs + LAST_WORD_MS, () => this.#close())]
    const signal = AbortSignal.any([this.#ending.signal, late.signal])
    if (this.#own !== undefined) this.#track(this.#own.run(turns, (inner) => pull(this.order, inner), signal))
    this.#track(this.#spread())
  }

  get tally(): Tally {
    const own = this.#own?.tally ?? tallyOf('relays')
    return sumOf([own, this.#settled, ...[...this.#branches].map((branch) => branch.tally)])
  }

  /** Whether nothing more is done for it. */
  get isOver(): boolean {
    return this.#tasks.size === 0
  }

  /** Resolves when our pull has ended and all whom we told are accounted for. */
  async finished(): Promise<void> {
    while (this.#tasks.size > 0) {
      await Promise.all(this.#tasks)
      if (this.#tasks.size === 0 && this.isStarter) this.#retry()
    }
    for (const timer of this.#timers) timer.clear()
  }

  /** Some whom the listener does not know to have been told, so that it can tell them anew when we die; each is given once. */
  takeNews(): PeerRef[] {
    return this.#news.splice(0, MAX_MEMBERS)
  }

  /** `peerId` hears what comes of it from now on; the signal fires when another takes its place. */
  listen(peerId: string): AbortSignal {
    this.#listener?.replaced.abort(new DOMException('another node is told', 'AbortError'))
    const replaced = new AbortController()
    this.#listener = { peerId, replaced }
    return replaced.signal
  }

  /** That one is gone. What was begun goes on, and whoever is sent in its place may take it over. */
  unlisten(replaced: AbortSignal): void {
    if (this.#listener?.replaced.signal === replaced) this.#listener = undefined
  }

  /** Whether `peerId`, who sends `order`, may hear of it from now on: nobody does, or that one did and its stream is broken. */
  mayMoveTo(peerId: string, { isAgain }: Order): boolean {
    if (this.isStarter) return false
    return this.#listener === undefined || (isAgain && this.#listener.peerId === peerId)
  }

  /** Tells those whom `order`, sent in the place of the one before, names besides. */
  extend(order: Order): void {
    this.#path = order.path
    this.#hops = Math.min(this.#hops, order.hops)
    for (const tail of order.covered) this.#covered.add(tail)
    this.#track(this.#tell(order.members.filter(({ id }) => !this.#told.has(id) && !this.#isOnPath(id))))
  }

  /** Ends it here and at all who were told. What was fetched stays. */
  cancel(): void {
    this.#ending.abort(new DOMException('the order was cancelled', 'AbortError'))
  }

  /** Ends it here; those who were told go on, for whoever asks them in our place. */
  abandon(): void {
    this.#isAbandoned = true
    this.cancel()
  }

  #close(): void {
    for (const branch of this.#branches) branch.close()
    this.cancel()
  }

  #track(task: Promise<void>): void {
    const tracked = task.finally(() => this.#tasks.delete(tracked))
    this.#tasks.add(tracked)
  }

  /** Tells those whom we were sent to tell and, unless the order is for named ones, all whom we know besides. The connected are told first. */
  async #spread(): Promise<void> {
    const { network, random } = this.#components
    const { members } = this.order
    const connected = await network.members()
    const isConnected = new Set(connected.map(({ id }) => id))
    const sent = new Set(members.map(({ id }) => id))
    const others = this.#strangersAmong(connected).filter(({ id }) => !sent.has(id))
    const all = [...members, ...others].filter(({ id }) => !this.#isOnPath(id))
    this.#noteTold(others)
    const shuffled = all.map((peer) => ({ peer, rank: random() - (isConnected.has(peer.id) ? 1 : 0) }))
    await this.#tell(shuffled.toSorted((a, b) => a.rank - b.rank).map(({ peer }) => peer))
  }

  /** Those whom nobody is to tell yet; none where only named ones are meant. */
  #strangersAmong(peers: readonly PeerRef[]): readonly PeerRef[] {
    if (this.order.target.kind === 'named') return []
    return peers.filter(({ id }) => !this.#isCovered(id) && !this.#isOnPath(id))
  }

  async #tell(members: readonly PeerRef[]): Promise<void> {
    const { network, clock, isTracker } = this.#components
    if (members.length === 0 || this.#ending.signal.aborted) return
    if (this.#hops === 0) return this.#tooFar(members)
    for (const { id } of members) {
      this.#told.add(id)
      this.#covered.add(tailOf(id))
    }
    const branches = dealt(members).map(
      (group) =>
        new Branch(group, {
          network,
          clock,
          orderFor: (rest, isAgain) => this.#orderFor(rest, isAgain),
          onTold: (peers) => this.#noteTold(peers),
          isMissed: (peerId) => !isTracker(peerId),
          nameOf: (peerId) => this.#names.get(peerId) ?? '',
          isAbandoned: () => this.#isAbandoned,
        }),
    )
    for (const branch of branches) this.#branches.add(branch)
    await Promise.all(branches.map(async (branch) => await branch.run(this.#ending.signal)))
  }

  #noteTold(peers: readonly PeerRef[]): void {
    const fresh = peers.filter(({ id }) => !this.#isCovered(id) && !this.#isOnPath(id))
    for (const { id } of fresh) this.#covered.add(tailOf(id))
    if (!this.isStarter) this.#news.push(...fresh)
  }

  /**
   * The starter has the last word on who is unreachable: it knows others than those who said so, and some have come back. It
   * tells those as well that it came to know meanwhile.
   */
  #retry(): void {
    if (this.#isRetried || this.#ending.signal.aborted || this.#components.clock.now() >= this.#endsAtMs) return
    this.#isRetried = true
    const over = sumOf([this.#settled, ...[...this.#branches].map((branch) => branch.tally)])
    this.#branches.clear()
    this.#settled = withoutUnreached(over)
    for (const { peer, name } of over.unreached) this.#names.set(peer, name)
    this.#track(this.#tellLast(over.unreached.map(({ peer, addresses }) => ({ id: peer, addresses }))))
  }

  async #tellLast(missed: readonly PeerRef[]): Promise<void> {
    const newcomers = this.#strangersAmong(await this.#components.network.members())
    await this.#tell([...missed, ...newcomers])
  }

  #tooFar(members: readonly PeerRef[]): void {
    const reason = 'too far away: told through more nodes than an order may go'
    const missed = members
      .filter(({ id }) => !this.#components.isTracker(id))
      .map(({ id, addresses }) => tallyOf('unreachable', { unreached: [{ peer: id, name: '', addresses, reason }] }))
    this.#settled = sumOf([this.#settled, ...missed])
  }

  #orderFor(rest: readonly PeerRef[], isAgain: boolean): Order {
    return {
      ...this.order,
      hops: this.#hops - 1,
      timeoutMs: Math.max(0, this.#endsAtMs - this.#components.clock.now()),
      path: [...this.#path, this.#components.network.selfId],
      members: rest,
      covered: [...this.#covered].slice(-MAX_COVERED),
      isAgain,
    }
  }

  #isCovered(peerId: string): boolean {
    return this.#covered.has(tailOf(peerId))
  }

  #isOnPath(peerId: string): boolean {
    return peerId === this.#components.network.selfId || this.#path.includes(peerId)
  }
}

/** Members dealt out in turn, so that the first ones, who can be told at once, come to stand at the heads. */
function dealt(members: readonly PeerRef[]): PeerRef[][] {
  const count = Math.min(members.length, Math.max(FAN_OUT, Math.ceil(members.length / MAX_MEMBERS)))
  const groups = Array.from({ length: count }, (): PeerRef[] => [])
  for (const [index, member] of members.entries()) groups[index % count]?.push(member)
  return groups
}
