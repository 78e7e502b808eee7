import { sha256 } from '../core/index.ts'

/** Chunks in a row that one member fetches: one origin request for a few of them, and still work for everybody. */
const STRIPE_CHUNKS = 4

/**
 * Who fetches which chunk from the origin when there is no tracker: rendezvous hashing over the agents that want the
 * blob, so that all name the same one without a word, and when one leaves only its own stripes move.
 */
export class PeerDuty {
  readonly #blobDigest: string
  readonly #seeds = new Map<string, number>()

  constructor(blobDigest: string) {
    this.#blobDigest = blobDigest
  }

  /** The member with duty for `chunk`; `undefined` when there are no members. */
  holderOf(chunk: number, members: Iterable<string>): string | undefined {
    const stripe = Math.floor(chunk / STRIPE_CHUNKS)
    let best: { member: string; weight: number } | undefined
    for (const member of members) {
      const weight = mix(this.#seedOf(member) ^ Math.imul(stripe + 1, 0x9e3779b1))
      if (best === undefined || weight > best.weight || (weight === best.weight && member < best.member)) {
        best = { member, weight }
      }
    }
    return best?.member
  }

  #seedOf(member: string): number {
    const known = this.#seeds.get(member)
    if (known !== undefined) return known
    const seed = Buffer.from(sha256(Buffer.from(`${this.#blobDigest}\n${member}`))).readUInt32BE(0)
    this.#seeds.set(member, seed)
    return seed
  }
}

/** The finaliser of MurmurHash3: every bit of the input moves every bit of the result. */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
