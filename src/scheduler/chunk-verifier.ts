import type { ChunkLayout } from '../chunking/index.ts'
import { type BlobRef, PeerLacksChunkError, PeerProtocolError, type Random } from '../core/index.ts'
import type { BandwidthClass } from '../util/index.ts'
import type { DigestTrust } from './digest-trust.ts'
import type { PeerState } from './peer-state.ts'
import type { OriginAccess, OriginSource, ReceivedChunk } from './ports.ts'
import type { SchedulerSettings } from './settings.ts'
import type { Suspects } from './suspects.ts'

/** Chunks of an agent's word alone that are all compared with the origin before only a share of them is. */
const ALWAYS_SAMPLED = 2

/** Bytes compared: one network packet or three, and a liar cannot know which. */
const SAMPLE_BYTES = 4096

export interface ChunkVerifierInit {
  readonly ref: BlobRef
  readonly layout: ChunkLayout
  readonly access: () => OriginAccess
  readonly settings: SchedulerSettings
}

export interface ChunkVerifierComponents {
  readonly trust: DigestTrust
  readonly suspects: Suspects
  readonly origin: OriginSource
  readonly random: Random
  readonly hash: (bytes: Uint8Array) => Uint8Array
}

export interface ChunkVerifierListener {
  /** As what `chunk` counts under a limit. */
  bandwidthOf(chunk: number): BandwidthClass
  peerFailed(peer: PeerState, error: unknown): void
}

/** Checks chunks that have come, and teaches `DigestTrust` and `Suspects` what follows. Owns nothing. */
export class ChunkVerifier {
  readonly #init: ChunkVerifierInit
  readonly #components: ChunkVerifierComponents
  readonly #listener: ChunkVerifierListener

  constructor(init: ChunkVerifierInit, components: ChunkVerifierComponents, listener: ChunkVerifierListener) {
    this.#init = init
    this.#components = components
    this.#listener = listener
  }

  /** The digest of a chunk that `peer` sent, which is believed from now on. Throws a PeerProtocolError when it is not what was asked for. */
  async ofPeer(
    peer: PeerState,
    asked: number | 'any',
    { chunk, payload: { bytes }, digest: named }: ReceivedChunk,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { hash, trust, suspects } = this.#components
    const { layout } = this.#init
    const isExpected = asked === 'any' ? chunk >= 0 && chunk < layout.chunkCount : chunk === asked
    if (!isExpected || bytes.byteLength !== layout.lengthOf(chunk)) {
      throw new PeerProtocolError(`chunk ${chunk} of ${bytes.byteLength} bytes does not fit the blob`)
    }
    const digest = hash(bytes)
    const believed = peer.role === 'tracker' ? named : trust.digestAt(chunk)
    if (Buffer.compare(believed ?? named, digest) !== 0)
      throw new PeerProtocolError(`chunk ${chunk} does not have its digest`)
    if (peer.role === 'tracker') {
      trust.vouch(chunk, digest)
      this.#isSure(chunk, digest)
      return digest
    }
    if (believed === undefined) await this.#confirm(peer, chunk, bytes, digest, signal)
    suspects.note(chunk, peer, digest)
    return digest
  }

  /** The digest of a chunk that the origin sent, which settles what it is. */
  ofOrigin(chunk: number, bytes: Uint8Array): Uint8Array {
    const digest = this.#components.hash(bytes)
    this.#components.trust.sampled(chunk, digest)
    this.#isSure(chunk, digest)
    return digest
  }

  /** A chunk known by one agent's word alone: its first ones, and then some, are compared with the origin before it is believed. */
  async #confirm(
    peer: PeerState,
    chunk: number,
    bytes: Uint8Array,
    digest: Uint8Array,
    signal: AbortSignal,
  ): Promise<void> {
    const { trust, random } = this.#components
    if (!trust.hearsAgents) throw new PeerLacksChunkError()
    const isDue = peer.confirmedCount < ALWAYS_SAMPLED || random() < this.#init.settings.sampleShare
    if (!isDue) return trust.vouch(chunk, digest)
    const length = Math.min(SAMPLE_BYTES, bytes.byteLength)
    const from = Math.floor(random() * (bytes.byteLength - length + 1))
    const sample = await this.#sample(chunk, from, length, signal)
    if (Buffer.compare(sample, bytes.subarray(from, from + length)) !== 0) {
      throw new PeerProtocolError(`chunk ${chunk} is not what the origin has`)
    }
    peer.confirmedCount++
    trust.sampled(chunk, digest)
  }

  async #sample(chunk: number, from: number, length: number, signal: AbortSignal): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    const { origin } = this.#components
    const start = this.#init.layout.offsetOf(chunk) + from
    const range = { start, end: start + length }
    const options = { signal, bandwidthClass: () => this.#listener.bandwidthOf(chunk) }
    for await (const piece of origin.readBlob(this.#init.ref, this.#init.access(), range, options)) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  /** An agent that sent other bytes as `chunk` before has lied. */
  #isSure(chunk: number, digest: Uint8Array): void {
    const liar = this.#components.suspects.convict(chunk, digest)
    if (liar !== undefined)
      this.#listener.peerFailed(liar, new PeerProtocolError(`chunk ${chunk} is not what the origin has`))
  }
}
