import type { BlobRef, Digest } from '../../src/core/index.ts'
import { digestOf, sha256 } from '../../src/core/index.ts'
import type {
  ChunkSupply,
  Publisher,
  RemotePeer,
  SuppliedChunk,
  SupplyBusy,
  Urgency,
} from '../../src/exchange/index.ts'
import { gridLayout } from '../../src/chunking/index.ts'

/** A blob in memory, its bytes a pattern that differs from chunk to chunk. */
export interface TestBlob {
  readonly ref: BlobRef
  readonly chunkCount: number
  bytesOf(chunk: number): Uint8Array
  digestOf(chunk: number): Uint8Array
}

export function testBlob(sizeBytes: number): TestBlob {
  const layout = gridLayout(sizeBytes)
  const digest = digestOf(Buffer.from(`blob of ${sizeBytes}`))
  const bytesOf = (chunk: number) => new Uint8Array(layout.lengthOf(chunk)).fill((chunk * 7 + 1) & 0xff)
  return {
    ref: { digest, sizeBytes },
    chunkCount: layout.chunkCount,
    bytesOf,
    digestOf: (chunk) => sha256(bytesOf(chunk)),
  }
}

type Read = SuppliedChunk | 'lacks' | SupplyBusy

/** A supply that serves one blob and writes down what it was told; tests replace what they want to go otherwise. */
export class TestSupply implements ChunkSupply {
  readonly blob: TestBlob
  readonly publishers: Publisher[] = []
  readonly followers: RemotePeer[] = []
  readonly announcements: { peer: string; digests: readonly Digest[]; isHeld: boolean }[] = []
  readonly departures: string[] = []
  closedCount = 0
  readCount = 0
  mapBytes: Uint8Array | undefined
  onFollow: (publisher: Publisher) => void = () => undefined
  onRead: (chunk: number | 'any', signal: AbortSignal, urgency: Urgency) => Promise<Read> = async (chunk) =>
    this.chunk(chunk === 'any' ? 0 : chunk)

  constructor(blob: TestBlob) {
    this.blob = blob
  }

  chunk(chunk: number): SuppliedChunk {
    return { chunk, bytes: this.blob.bytesOf(chunk), digest: this.blob.digestOf(chunk) }
  }

  follow(peer: RemotePeer, ref: BlobRef, _origins: unknown, publisher: Publisher) {
    if (ref.digest !== this.blob.ref.digest) return undefined
    this.followers.push(peer)
    this.publishers.push(publisher)
    this.onFollow(publisher)
    return { close: () => void (this.closedCount += 1) }
  }

  async read(
    _peer: string,
    ref: BlobRef,
    chunk: number | 'any',
    urgency: Urgency,
    options: { signal?: AbortSignal | undefined },
  ) {
    this.readCount += 1
    if (ref.digest !== this.blob.ref.digest) return 'lacks' as const
    return await this.onRead(chunk, options.signal ?? new AbortController().signal, urgency)
  }

  alternates() {
    return [{ id: 'another', addresses: ['/ip4/127.0.0.1/tcp/1'] }]
  }

  map() {
    return this.mapBytes
  }

  announced(peer: RemotePeer, digests: readonly Digest[], isHeld: boolean): void {
    this.announcements.push({ peer: peer.id, digests, isHeld })
  }

  departed(peerId: string): void {
    this.departures.push(peerId)
  }
}

/** Lets everything that needs no time happen: several turns of the event loop. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** How a promise stands, without waiting for it. */
export function watch<T>(promise: Promise<T>): { value?: T; error?: unknown; isSettled: boolean } {
  const state: { value?: T; error?: unknown; isSettled: boolean } = { isSettled: false }
  promise.then(
    (value) => Object.assign(state, { value, isSettled: true }),
    (error: unknown) => Object.assign(state, { error, isSettled: true }),
  )
  return state
}
