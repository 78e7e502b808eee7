import { rendezvousWeight } from './origin-duty.ts'

/** Chunks in a row that one member fetches: one origin request for a few of them, and still work for everybody. */
export const STRIPE_CHUNKS = 4

/**
 * Members that share the reading of one blob. More would each get so little of the origin's rate that their chunks come
 * late; and members that see only a part of a large swarm agree sooner on its nearest few.
 */
export const MAX_READERS = 8

/** The stripe that `chunk` is of: duty goes by stripes. */
export function stripeOf(chunk: number): number {
  return Math.floor(chunk / STRIPE_CHUNKS)
}

/**
 * Who fetches which chunk when there is no tracker: rendezvous hashing over the agents that want the blob, so that all
 * name the same one without a word, and when one leaves only its own stripes move.
 */
export class PeerDuty {
  readonly #blobDigest: string
  readonly #weights = new Map<string, number>()
  readonly #orders = new Map<number, readonly string[]>()
  #readers: readonly string[] = []

  constructor(blobDigest: string) {
    this.#blobDigest = blobDigest
  }

  /** Those of `members` that have duties at all: the few nearest to the blob. */
  readersAmong(members: readonly string[]): readonly string[] {
    const nearest = members
      .toSorted((a, b) => this.#weightOf(b) - this.#weightOf(a) || (a < b ? -1 : 1))
      .slice(0, MAX_READERS)
    const isSame = nearest.length === this.#readers.length && nearest.every((id, i) => id === this.#readers[i])
    if (!isSame) {
      this.#readers = nearest
      this.#orders.clear()
    }
    return this.#readers
  }

  /** The readers last named, in the order in which duty for `stripe` falls to them. */
  orderOf(stripe: number): readonly string[] {
    const known = this.#orders.get(stripe)
    if (known !== undefined) return known
    const weighed = this.#readers.map((id) => ({
      id,
      weight: mix(this.#weightOf(id) ^ Math.imul(stripe + 1, 0x9e3779b1)),
    }))
    const order = weighed.sort((a, b) => b.weight - a.weight || (a.id < b.id ? -1 : 1)).map(({ id }) => id)
    this.#orders.set(stripe, order)
    return order
  }

  #weightOf(member: string): number {
    const known = this.#weights.get(member)
    if (known !== undefined) return known
    const weight = rendezvousWeight(this.#blobDigest, member)
    this.#weights.set(member, weight)
    return weight
  }
}

/** The finaliser of MurmurHash3: every bit of the input moves every bit of the result. */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
