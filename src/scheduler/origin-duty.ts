import { sha256 } from '../core/index.ts'

/**
 * Members in the order in which they have origin duty for `key`: rendezvous hashing, so that every agent names the same
 * one, layers spread evenly, and when one leaves only its own layers move, each to its next.
 */
export function rankByRendezvous(key: string, members: readonly string[]): string[] {
  const weighed = members.map((member) => ({ member, weight: Buffer.from(sha256(Buffer.from(`${key}\n${member}`))) }))
  return weighed.sort((a, b) => Buffer.compare(b.weight, a.weight)).map(({ member }) => member)
}
