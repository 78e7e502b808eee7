import { sha256 } from '../core/index.ts'

/** How near `member` is to `key`, from 0 up to 2^48: whoever is nearest among the members has duty for `key`. */
export function rendezvousWeight(key: string, member: string): number {
  return Buffer.from(sha256(Buffer.from(`${key}\n${member}`))).readUIntBE(0, 6)
}

/**
 * Members in the order in which they have origin duty for `key`: rendezvous hashing, so that every agent names the same
 * one, layers spread evenly, and when one leaves only its own layers move, each to its next.
 */
export function rankByRendezvous(key: string, members: readonly string[]): string[] {
  const weighed = members.map((member) => ({ member, weight: rendezvousWeight(key, member) }))
  return weighed.sort((a, b) => b.weight - a.weight || (a.member < b.member ? -1 : 1)).map(({ member }) => member)
}
