import { GridLayout } from '../../src/chunking/index.ts'
import { type BlobRef, digestOf, sha256, ShoalError } from '../../src/core/index.ts'
import { FreshChunks } from '../../src/scheduler/fresh-chunks.ts'
import { InFlightBudget, type StoredBlob } from '../../src/scheduler/index.ts'
import { Ingest } from '../../src/scheduler/ingest.ts'
import { silentLogger } from '../../src/telemetry/index.ts'
import { BufferPool, type Lease } from '../../src/util/index.ts'
import { settle, VirtualClock } from './virtual-clock.ts'

/** Bytes of a chunk of the lab's blob. */
export const CHUNK_BYTES = 64

/** A blob on a disk that writes only when it is told to, and looks at the bytes then. */
class SlowBlob implements StoredBlob {
  readonly ref: BlobRef
  readonly layout: GridLayout
  readonly isComplete = false
  readonly map = undefined
  readonly #stored = new Map<number, Uint8Array>()
  readonly #disk: (() => void)[] = []
  /** Digests of the chunks that are to stay in memory, with the first byte of each. */
  readonly remembered: [string, number | undefined][] = []
  isBroken = false

  constructor(chunkCount: number) {
    this.ref = { digest: digestOf(Buffer.from('layer')), sizeBytes: chunkCount * CHUNK_BYTES }
    this.layout = new GridLayout(this.ref.sizeBytes, CHUNK_BYTES)
  }

  remember(digest: Uint8Array, payload: Lease): void {
    this.remembered.push([Buffer.from(digest).toString('hex'), payload.bytes[0]])
  }

  get heldCount(): number {
    return this.#stored.size
  }

  has(chunk: number): boolean {
    return this.#stored.has(chunk)
  }

  digestAt(): undefined {}

  async write(chunk: number, bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => this.#disk.push(resolve))
    if (this.isBroken) throw new ShoalError('broken disk', { code: 'BROKEN', blame: 'local', retryable: true })
    this.#stored.set(chunk, Uint8Array.from(bytes))
  }

  /** Lets all that was written so far come to the disk. */
  async reach(): Promise<void> {
    for (const resolve of this.#disk.splice(0)) resolve()
    await settle()
  }

  get isWriting(): boolean {
    return this.#disk.length > 0
  }

  storedByte(chunk: number): number | undefined {
    return this.#stored.get(chunk)?.[0]
  }

  lose(chunk: number): void {
    this.#stored.delete(chunk)
  }

  async lend(offset: number): Promise<Lease> {
    throw new Error(`byte ${offset} read from disk`)
  }

  canAdopt(_digest: Uint8Array): boolean {
    return false
  }

  async adopt(_chunk: number): Promise<boolean> {
    return false
  }

  async setMap(): Promise<void> {}

  async verifyWhole(): Promise<boolean> {
    return true
  }

  release(): void {}
}

/** An ingest over a slow disk, with buffers that hold rubbish once they were given back. */
export function ingestLab(chunkCount = 3) {
  const clock = new VirtualClock()
  const blob = new SlowBlob(chunkCount)
  const budget = new InFlightBudget(1_024)
  const freshChunks = new FreshChunks({ inFlightBytes: 1_024 }, { budget, clock })
  const ingest = new Ingest(blob, { freshChunks, logger: silentLogger(), overflowBytes: 0 })
  const pool = new BufferPool({ maxIdleBytes: 4_096, minPooledBytes: 4, isPoisoning: true }, { clock })
  /** Of every chunk that was written, the buffer itself, which is read without leave. */
  const buffers: Uint8Array[] = []
  /** As the fetcher does: the buffer is given back once the chunk is stored. */
  const write = async (chunk: number, byte: number): Promise<boolean> => {
    const payload = pool.lease(CHUNK_BYTES)
    payload.bytes.fill(byte)
    buffers.push(payload.bytes)
    try {
      return await ingest.write(chunk, payload, sha256(payload.bytes), 'peers')
    } finally {
      payload.release()
    }
  }
  const read = async (offset: number, length: number) => {
    const lease = await ingest.lend(offset, length, {})
    const bytes = [...lease.bytes]
    lease.release()
    return bytes
  }
  return { clock, blob, budget, ingest, pool, buffers, write, read }
}
