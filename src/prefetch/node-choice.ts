import type { Clock, PeerRef } from '../core/index.ts'
import { rendezvousWeight } from '../scheduler/index.ts'
import { within } from '../util/index.ts'
import type { Answer } from './messages.ts'
import { FAN_OUT } from './order.ts'
import type { PrefetchNetwork } from './ports.ts'

/** A dial and an answer; a node that takes longer is not one to rely on. */
const ANSWER_MS = 5_000

/** Nodes asked for each one wanted, and besides: dead ones and trackers are passed over, and the search ends all the same. */
const ASKED_PER_NODE = 2
const ASKED_BESIDES = 64

export interface NodeChoiceComponents {
  readonly network: PrefetchNetwork
  readonly clock: Clock
  readonly isTracker: (peerId: string) => boolean
}

/**
 * Up to `count` agents other than this one that answer. Those nearest to `key` by rendezvous of whom is known here, so that
 * the same question chooses the same ones; of whom those know only where too few are known.
 */
export async function chooseNodes(
  count: number,
  key: string,
  { network, clock, isTracker }: NodeChoiceComponents,
  signal: AbortSignal,
): Promise<PeerRef[]> {
  const candidates = new Candidates(key, new Set([network.selfId]), isTracker)
  candidates.meet(await network.members())
  const chosen: PeerRef[] = []
  let left = count * ASKED_PER_NODE + ASKED_BESIDES
  while (chosen.length < count && left > 0) {
    const batch = candidates.take(Math.min(FAN_OUT, left, Math.max(1, count - chosen.length)))
    if (batch.length === 0) break
    left -= batch.length
    const answers = await Promise.all(batch.map(async (peer) => await ask(peer, network, clock, signal)))
    for (const [index, answer] of answers.entries()) {
      const peer = batch[index]
      if (answer === undefined || peer === undefined) continue
      candidates.meet(answer.members)
      if (answer.role === 'agent') chosen.push(peer)
    }
  }
  return chosen.slice(0, count)
}

/** Who may still be asked, the nearest first; trackers last, for whom they know. */
class Candidates {
  readonly #key: string
  readonly #seen: Set<string>
  readonly #isTracker: (peerId: string) => boolean
  #waiting: { readonly peer: PeerRef; readonly rank: number }[] = []

  constructor(key: string, seen: Set<string>, isTracker: (peerId: string) => boolean) {
    this.#key = key
    this.#seen = seen
    this.#isTracker = isTracker
  }

  meet(peers: readonly PeerRef[]): void {
    for (const peer of peers) {
      if (this.#seen.has(peer.id)) continue
      this.#seen.add(peer.id)
      this.#waiting.push({ peer, rank: this.#isTracker(peer.id) ? -1 : rendezvousWeight(this.#key, peer.id) })
    }
    this.#waiting.sort((a, b) => b.rank - a.rank)
  }

  take(count: number): PeerRef[] {
    return this.#waiting.splice(0, count).map(({ peer }) => peer)
  }
}

async function ask(
  peer: PeerRef,
  network: PrefetchNetwork,
  clock: Clock,
  signal: AbortSignal,
): Promise<(Answer & { kind: 'members' }) | undefined> {
  try {
    return await within(clock, ANSWER_MS, signal, async (inner) => {
      const channel = await network.open(peer, { signal: inner })
      try {
        await channel.send({ kind: 'members' }, { signal: inner })
        const answer = await channel.receive({ signal: inner })
        return answer.kind === 'members' ? answer : undefined
      } finally {
        channel.close()
      }
    })
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}
