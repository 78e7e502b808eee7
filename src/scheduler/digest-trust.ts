import type { ChunkMap, SignedChunkMap } from '../chunking/index.ts'
import { digestOf } from '../core/index.ts'

/** Distinct digests remembered per chunk; honest peers name one, so more than a few is an attack on our memory. */
const MAX_RIVALS = 4

/**
 * Which digest each chunk of one blob is believed to have, and why: a tracker vouched for it, a trusted map names it,
 * enough admitted peers agree on it, or the bytes came from the origin itself. Nothing is fetched from an agent, and
 * nothing from anyone reaches a client, unless it matches what stands here.
 */
export class DigestTrust {
  readonly #digests: (Uint8Array | undefined)[]
  readonly #claimants = new Map<number, Map<string, Set<string>>>()
  /** Maps not believed yet, by their content, with who signed them. */
  readonly #candidates = new Map<string, { readonly map: ChunkMap; readonly signers: Set<string> }>()
  /** Chunks without a believed digest. */
  #unknown: number
  #agreement: number
  readonly #isTrustedSigner: (signer: string) => boolean

  /** With an infinite `agreement` no agent's word counts, nor a map that one has signed, whatever else speaks for it. */
  constructor(chunkCount: number, agreement: number, isTrustedSigner: (signer: string) => boolean) {
    this.#digests = new Array<Uint8Array | undefined>(chunkCount).fill(undefined)
    this.#unknown = chunkCount
    this.#agreement = agreement
    this.#isTrustedSigner = isTrustedSigner
  }

  /** Whether what agents say may come to be believed. */
  get hearsAgents(): boolean {
    return this.#agreement !== Number.POSITIVE_INFINITY
  }

  /** The believed digest of `chunk`. */
  digestAt(chunk: number): Uint8Array | undefined {
    return this.#digests[chunk]
  }

  /** Whether `peerId`, or a map somebody signed, says that `chunk` has a digest, believed or not. */
  isClaimedBy(peerId: string, chunk: number): boolean {
    if (this.#candidates.size > 0) return true
    for (const claimants of this.#claimants.get(chunk)?.values() ?? []) if (claimants.has(peerId)) return true
    return false
  }

  /** Every chunk has a believed digest. */
  get isWhole(): boolean {
    return this.#unknown === 0
  }

  /** A tracker, or the origin itself, says so: believed at once, and over anything that peers agreed on before. */
  vouch(chunk: number, digest: Uint8Array): void {
    if (chunk < 0 || chunk >= this.#digests.length) return
    if (this.#digests[chunk] === undefined) this.#unknown--
    this.#digests[chunk] = digest
    this.#claimants.delete(chunk)
  }

  /** An agent says so: believed once enough different ones do. */
  claim(peerId: string, chunk: number, digest: Uint8Array): void {
    if (!this.hearsAgents) return
    if (chunk < 0 || chunk >= this.#digests.length || this.#digests[chunk] !== undefined) return
    const rivals = this.#claimants.get(chunk) ?? new Map<string, Set<string>>()
    this.#claimants.set(chunk, rivals)
    // Its first word counts: with several it could take the places of those who agree.
    for (const claimants of rivals.values()) if (claimants.has(peerId)) return
    const key = Buffer.from(digest).toString('base64')
    const claimants = rivals.get(key) ?? new Set<string>()
    if (claimants.size === 0 && rivals.size >= MAX_RIVALS) return
    rivals.set(key, claimants.add(peerId))
    if (claimants.size >= this.#agreement) this.vouch(chunk, digest)
  }

  /** The origin showed that `chunk` has `digest`: believed, and so is any map that says the same. */
  sampled(chunk: number, digest: Uint8Array): void {
    this.vouch(chunk, digest)
    for (const { map } of this.#candidates.values()) {
      const named = map.digestAt(chunk)
      if (named !== undefined && Buffer.compare(named, digest) === 0) return this.#believe(map)
    }
  }

  /** A signed map of this blob: believed from a trusted signer, when enough signers made the same one, or once a sample proves it. */
  offerMap(signed: SignedChunkMap): void {
    if (this.#isTrustedSigner(signed.signer)) return this.#believe(signed.map)
    if (!this.hearsAgents) return
    const key = digestOf(signed.map.digests)
    const candidate = this.#candidates.get(key) ?? { map: signed.map, signers: new Set<string>() }
    if (candidate.signers.size === 0 && this.#candidates.size >= MAX_RIVALS) return
    this.#candidates.set(key, candidate)
    candidate.signers.add(signed.signer)
    if (candidate.signers.size >= this.#agreement) this.#believe(signed.map)
  }

  /** Forgets everything and believes no agent any more, after the whole blob turned out to be wrong. */
  distrust(): void {
    this.#agreement = Number.POSITIVE_INFINITY
    this.#digests.fill(undefined)
    this.#unknown = this.#digests.length
    this.#claimants.clear()
    this.#candidates.clear()
  }

  #believe(map: ChunkMap): void {
    for (let chunk = 0; chunk < this.#digests.length; chunk++) this.#digests[chunk] = map.digestAt(chunk)
    this.#unknown = this.#digests.filter((digest) => digest === undefined).length
    this.#claimants.clear()
    this.#candidates.clear()
  }
}
