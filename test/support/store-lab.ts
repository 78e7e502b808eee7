import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ChunkLayout, type Cutter, GridLayout } from '../../src/chunking/index.ts'
import { type BlobRef, digestOf, sha256 } from '../../src/core/index.ts'
import { type Hasher, type OpenBlob, Store, type StoreComponents, type StoreInit } from '../../src/store/index.ts'
import { hashSegments } from '../../src/store/hash-segments.ts'
import { Metrics, silentLogger } from '../../src/telemetry/index.ts'
import { BufferPool } from '../../src/util/index.ts'
import { VirtualClock } from './virtual-clock.ts'

/** Chunks small enough for thousands of writes a second. */
export const TEST_CHUNK_BYTES = 64

/** The grid with small chunks. */
export const smallCutter: Cutter = {
  cut: (ref) => new GridLayout(ref.sizeBytes, TEST_CHUNK_BYTES),
}

/** Hashes on the calling thread. */
export const inlineHasher: Hasher = {
  async hash(mode, segments, options) {
    options?.signal?.throwIfAborted()
    return hashSegments({ mode, segments, cancelled: new Int32Array(1) })
  },
  async close() {},
}

/** Bytes with a name, cut like the store cuts them. */
export interface TestBlob {
  readonly ref: BlobRef
  readonly bytes: Buffer
  readonly layout: ChunkLayout
  chunk(chunk: number): Buffer
  digest(chunk: number): Uint8Array
}

export function testBlob(bytes: Buffer, cutter: Cutter = smallCutter): TestBlob {
  const ref = { digest: digestOf(bytes), sizeBytes: bytes.byteLength }
  const layout = cutter.cut(ref)
  const chunk = (number: number) =>
    bytes.subarray(layout.offsetOf(number), layout.offsetOf(number) + layout.lengthOf(number))
  return { ref, bytes, layout, chunk, digest: (number) => sha256(chunk(number)) }
}

/** A blob whose chunk i is filled with `fills[i]`, the last one `lastBytes` long: equal numbers make equal chunks. */
export function patternBlob(fills: readonly number[], lastBytes: number = TEST_CHUNK_BYTES): TestBlob {
  const chunks = fills.map((fill, index) =>
    Buffer.alloc(index === fills.length - 1 ? lastBytes : TEST_CHUNK_BYTES, fill & 0xff).fill(fill >> 8, 0, 1),
  )
  return testBlob(Buffer.concat(chunks))
}

/** Writes all chunks, or the given ones. */
export async function fill(open: OpenBlob, blob: TestBlob, chunks?: Iterable<number>): Promise<void> {
  for (const chunk of chunks ?? Array(blob.layout.chunkCount).keys()) {
    await open.write(chunk, blob.chunk(chunk), blob.digest(chunk))
  }
}

/** Stores the whole blob, verifies it and releases it. */
export async function storeWhole(store: Store, blob: TestBlob): Promise<void> {
  const open = await store.open(blob.ref)
  await fill(open, blob)
  if (!(await open.verifyWhole())) throw new Error('blob did not verify')
  open.release()
}

/** A folder that is gone when the test ends. */
export async function storeFolder(context: { after(fn: () => Promise<void>): void }): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-store-'))
  context.after(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** Runs `work` in a folder of its own, in memory where the system has such a place: for tests of order, not of the disk. */
export async function inMemoryFolder<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'shoal-store-'))
  try {
    return await work(dir)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

export type StoreLabInit = Partial<StoreInit> & Partial<StoreComponents> & { readonly dir: string }

/** A store with small chunks and everything else at hand, unless told otherwise. */
export async function openStore(init: StoreLabInit): Promise<Store> {
  const { dir, quotaBytes = 1e9, minFreeBytes = 0, memoryBytes = 64 * 1024, ...components } = init
  const clock = new VirtualClock()
  return await Store.open(
    { dir, quotaBytes, minFreeBytes, memoryBytes },
    {
      clock,
      logger: silentLogger(),
      metrics: new Metrics(),
      cutter: smallCutter,
      hasher: inlineHasher,
      // What is given back too early, or read after that, shows as rubbish.
      buffers: new BufferPool({ maxIdleBytes: 1 << 20, minPooledBytes: 4, isPoisoning: true }, { clock }),
      ...components,
    },
  )
}
