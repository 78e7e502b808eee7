import type { Clock, PeerRef } from '../core/index.ts'
import { within } from '../util/index.ts'
import type { Answer, Ask } from './messages.ts'
import { MAX_MEMBERS, type Order } from './order.ts'
import type { AskingChannel, PrefetchNetwork } from './ports.ts'
import { asError, reasonOf } from './reason.ts'
import { closed, EMPTY_TALLY, sumOf, type Tally, tallyOf } from './tally.ts'

/** A dial, a stream and an answer, each of which takes a few seconds at most. */
const TOLD_WITHIN_MS = 10_000

/** A node reports every second; one that is silent for this long is taken for dead. */
const SILENCE_MS = 15_000

/** Longest to hand a message to the connection. */
const SEND_MS = 5_000

/** Nodes remembered behind one other, to be told anew if it dies; a hundred bytes each. */
const MAX_BEHIND = 16_384

export interface BranchComponents {
  readonly network: PrefetchNetwork
  readonly clock: Clock
  /** The order as it is told to somebody who is to tell `rest`; `isAgain` when that one broke off from us. */
  readonly orderFor: (rest: readonly PeerRef[], isAgain: boolean) => Order
  /** Somebody further on has told these, whom we did not name. */
  readonly onTold: (peers: readonly PeerRef[]) => void
  /** Whether the order may be for this peer: a tracker that cannot be reached is not missed. */
  readonly isMissed: (peerId: string) => boolean
  /** The host name of a peer where it is known from before; else empty. */
  readonly nameOf: (peerId: string) => string
  /** Whether those who were told are to go on without us. */
  readonly isAbandoned: () => boolean
}

/** What came of telling one member. */
type Outcome =
  /** It took the order and all members behind it, and has told how it ended. */
  | { readonly kind: 'finished' }
  /** It takes no others; what comes of itself is known, here or elsewhere. */
  | { readonly kind: 'alone' }
  | { readonly kind: 'unreachable'; readonly reason: string }
  /** It took the order, and broke off. */
  | { readonly kind: 'lost'; readonly reason: string }

/**
 * Some members, of whom one at a time is told, to tell the others: telling -> following -> finished. One that breaks off is
 * told once more, since it may have lost no more than its connection; then the next one is told in its place. So the death of
 * a node costs nobody else the order.
 */
export class Branch {
  readonly #components: BranchComponents
  /** Members that nobody has been asked to tell yet. */
  #queue: PeerRef[]
  /** Those that the present one is to tell, or says that it has told. */
  #handed: PeerRef[] = []
  readonly #brokeOff = new Set<string>()
  /** What is settled of those that were told before the present one. */
  #settled: Tally = EMPTY_TALLY
  /** What the present one last said of itself and all behind it. */
  #reported: Tally = EMPTY_TALLY
  /** The last one that took the order. */
  #taker = { peer: '', name: '', isMeant: true }

  constructor(members: readonly PeerRef[], components: BranchComponents) {
    this.#queue = [...members]
    this.#components = components
  }

  get tally(): Tally {
    return sumOf([this.#settled, this.#reported])
  }

  /** Ends when all members are accounted for. Never throws; when `signal` fires, whoever took the order is told to end it. */
  async run(signal: AbortSignal): Promise<void> {
    for (let head = this.#queue.shift(); head !== undefined; head = this.#queue.shift()) {
      this.#handed = this.#queue.splice(0, MAX_MEMBERS)
      const outcome = await this.#tell(head, signal)
      if (signal.aborted) return
      if (outcome.kind !== 'finished') this.#queue = [...this.#handed, ...this.#queue]
      this.#handed = []
      if (outcome.kind === 'lost' || outcome.kind === 'unreachable') this.#onFailed(head, outcome)
      else this.#settle()
    }
  }

  /** Nothing more is waited for: whoever is not done has failed, and whoever was not told is unreachable. */
  close(): void {
    this.#reported = closed(this.#reported, this.#taker)
    for (const member of this.#queue.splice(0)) this.#miss(member, 'not told before the time was up')
  }

  #settle(): void {
    this.#settled = this.tally
    this.#reported = EMPTY_TALLY
  }

  #onFailed(head: PeerRef, { kind, reason }: Outcome & { readonly reason: string }): void {
    this.#reported = EMPTY_TALLY
    const isFirst = kind === 'lost' && !this.#brokeOff.has(head.id)
    if (isFirst) {
      this.#brokeOff.add(head.id)
      this.#queue.unshift(head)
      return
    }
    this.#miss(head, reason)
  }

  #miss({ id, addresses }: PeerRef, reason: string): void {
    const taker = this.#taker.peer === id ? this.#taker : undefined
    if (!this.#components.isMissed(id) || taker?.isMeant === false) return
    const missed = { peer: id, name: taker?.name ?? this.#components.nameOf(id), addresses, reason }
    this.#settled = sumOf([this.#settled, tallyOf('unreachable', { unreached: [missed] })])
  }

  async #tell(head: PeerRef, signal: AbortSignal): Promise<Outcome> {
    const { network, orderFor } = this.#components
    let channel: AskingChannel | undefined
    try {
      channel = await this.#within(TOLD_WITHIN_MS, signal, async (inner) => await network.open(head, { signal: inner }))
      await this.#send(channel, { kind: 'order', ...orderFor(this.#handed, this.#brokeOff.has(head.id)) }, signal)
      const answer = await this.#receive(channel, TOLD_WITHIN_MS, signal)
      if (answer.kind === 'accepted') {
        this.#taker = { peer: head.id, name: answer.name, isMeant: answer.isMeant }
        return await this.#follow(channel, signal)
      }
      channel.close()
      return this.#notTaken(head, answer)
    } catch (error) {
      // It may have taken the order without having said so yet.
      if (channel !== undefined) await this.#leave(channel, error, signal)
      return { kind: 'unreachable', reason: reasonOf(error) }
    }
  }

  #notTaken(head: PeerRef, answer: Answer): Outcome {
    if (answer.kind === 'elsewhere') return { kind: 'alone' }
    if (answer.kind !== 'refused') return { kind: 'unreachable', reason: `answered ${answer.kind} to an order` }
    const failures = [{ peer: head.id, name: answer.name, reason: answer.reason }]
    this.#settled = sumOf([this.#settled, tallyOf('failed', { failures })])
    return { kind: 'alone' }
  }

  /** Takes reports until the final one. */
  async #follow(channel: AskingChannel, signal: AbortSignal): Promise<Outcome> {
    try {
      for (;;) {
        const answer = await this.#receive(channel, SILENCE_MS, signal)
        if (answer.kind !== 'report') throw new Error(`answered ${answer.kind} in place of a report`)
        this.#reported = answer.tally
        if (this.#handed.length < MAX_BEHIND) {
          this.#handed.push(...answer.told)
          this.#components.onTold(answer.told)
        }
        await this.#send(channel, { kind: 'heard' }, signal)
        if (!answer.isFinal) continue
        channel.close()
        return { kind: 'finished' }
      }
    } catch (error) {
      await this.#leave(channel, error, signal)
      return { kind: 'lost', reason: `broke off: ${reasonOf(error)}` }
    }
  }

  /** Breaks off, or has the order ended there when that is why. */
  async #leave(channel: AskingChannel, error: unknown, signal: AbortSignal): Promise<void> {
    if (!signal.aborted || this.#components.isAbandoned()) return channel.abort(asError(error))
    try {
      await this.#send(channel, { kind: 'cancel' }, new AbortController().signal)
      channel.close()
    } catch {
      channel.abort(asError(error))
    }
  }

  async #send(channel: AskingChannel, message: Ask, signal: AbortSignal): Promise<void> {
    await this.#within(SEND_MS, signal, async (inner) => await channel.send(message, { signal: inner }))
  }

  async #receive(channel: AskingChannel, limitMs: number, signal: AbortSignal): Promise<Answer> {
    return await this.#within(limitMs, signal, async (inner) => await channel.receive({ signal: inner }))
  }

  async #within<T>(limitMs: number, signal: AbortSignal, work: (inner: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await within(this.#components.clock, limitMs, signal, work)
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'TimeoutError') throw error
      throw new Error(`silent for ${limitMs / 1000} s`, { cause: error })
    }
  }
}
