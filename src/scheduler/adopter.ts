import type { DigestTrust } from './digest-trust.ts'
import type { Ingest } from './ingest.ts'
import type { TaskGroup } from './task-group.ts'

/** Chunks taken over at a time: each is one small write, and the disk is the readers' too. */
const CONCURRENCY = 4

export interface AdopterComponents {
  readonly trust: DigestTrust
  readonly ingest: Ingest
  readonly tasks: TaskGroup
}

/**
 * Takes over what the store holds under other blobs as soon as its digest is believed, and not only when it would be asked
 * for: what a new version of an image shares with the old one is told to trackers and peers before they send it.
 */
export class Adopter {
  readonly #components: AdopterComponents
  readonly #onAdopted: (chunk: number, digest: Uint8Array) => void
  readonly #adopting = new Map<number, Promise<boolean>>()
  readonly #queue: number[] = []
  #running = 0

  /** `onAdopted` is called once for each chunk that was taken over. */
  constructor(components: AdopterComponents, onAdopted: (chunk: number, digest: Uint8Array) => void) {
    this.#components = components
    this.#onAdopted = onAdopted
  }

  /** Whether chunks are being taken over. */
  get isBusy(): boolean {
    return this.#running > 0
  }

  /** Digests of some of `chunks`, or of all, may have come to be believed. */
  believed(chunks: readonly number[] = [...Array(this.#components.ingest.blob.layout.chunkCount).keys()]): void {
    const { trust, ingest, tasks } = this.#components
    for (const chunk of chunks) {
      if (ingest.isHad(chunk)) continue
      const digest = trust.digestAt(chunk)
      if (digest !== undefined && ingest.blob.canAdopt(digest)) this.#queue.push(chunk)
    }
    while (this.#running < CONCURRENCY && this.#queue.length > 0) {
      this.#running++
      tasks.run(async (signal) => await this.#work(signal))
    }
  }

  /** Whether the chunk is had now, taken over if need be. */
  async adopt(chunk: number, digest: Uint8Array): Promise<boolean> {
    const { blob } = this.#components.ingest
    if (blob.has(chunk)) return true
    const underWay = this.#adopting.get(chunk)
    if (underWay === undefined && !blob.canAdopt(digest)) return false
    return await (underWay ?? this.#begin(chunk, digest))
  }

  async #begin(chunk: number, digest: Uint8Array): Promise<boolean> {
    const adopting = this.#takeOver(chunk, digest).finally(() => this.#adopting.delete(chunk))
    this.#adopting.set(chunk, adopting)
    return await adopting
  }

  async #takeOver(chunk: number, digest: Uint8Array): Promise<boolean> {
    const isAdopted = await this.#components.ingest.adopt(chunk, digest)
    if (isAdopted) this.#onAdopted(chunk, digest)
    return isAdopted
  }

  async #work(signal: AbortSignal): Promise<void> {
    try {
      for (let chunk = this.#queue.shift(); chunk !== undefined && !signal.aborted; chunk = this.#queue.shift()) {
        const digest = this.#components.trust.digestAt(chunk)
        if (digest !== undefined) await this.adopt(chunk, digest)
      }
    } finally {
      this.#running--
    }
  }
}
