import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { ShoalError } from '../../src/core/index.ts'
import type { OpenBlob, Store } from '../../src/store/index.ts'
import { FaultyFileSystem } from '../support/faulty-file-system.ts'
import { inMemoryFolder, openStore, patternBlob, type TestBlob } from '../support/store-lab.ts'

/** Blobs that share most of their chunks, the empty one and one of a single short chunk among them. */
const BLOBS = [
  patternBlob([1, 2, 3, 4, 5], 10),
  patternBlob([3, 3, 1, 9], 64),
  patternBlob([4, 2], 10),
  patternBlob([5], 10),
  patternBlob([]),
  patternBlob([6, 7, 8, 9, 1, 2, 3], 33),
]

/** Room for two or three of them, so that opening one evicts another; for most; for all. */
const quotas = fc.constantFrom(1200, 1800, 2300, 1e6)

type Step =
  | { readonly kind: 'open' | 'release' | 'verify' | 'remove'; readonly blob: number }
  | { readonly kind: 'write' | 'adopt'; readonly blob: number; readonly chunks: readonly number[] }
  | { readonly kind: 'read'; readonly blob: number; readonly from: number; readonly length: number }

const blobs = fc.nat(BLOBS.length - 1)
const chunks = fc.oneof(fc.constant([0, 1, 2, 3, 4, 5, 6]), fc.subarray([0, 1, 2, 3, 4, 5, 6]))
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('open' as const), blob: blobs }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('release', 'release', 'verify', 'remove'), blob: blobs }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('write', 'write', 'adopt'), blob: blobs, chunks }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('read' as const), blob: blobs, from: fc.nat(), length: fc.nat(200) }),
  },
)

/** Steps of one batch run at once; between batches the store may be restarted, with or without its index. */
const batch = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 6 }),
  restart: fc.constantFrom('no', 'no', 'no', 'no', 'with index', 'without index'),
})

test('whatever is done in whatever order, what is held reads back right and what is open stays held', async () => {
  await fc.assert(
    fc.asyncProperty(
      quotas,
      fc.array(batch, { minLength: 4, maxLength: 25, size: 'max' }),
      async (quotaBytes, batches) => {
        await inMemoryFolder(async (dir) => {
          const run = await ModelRun.begin(dir, quotaBytes)
          for (const { steps, restart } of batches) {
            await Promise.all(steps.map((one) => run.step(one)))
            await run.check()
            if (restart !== 'no') await run.restart(restart === 'with index')
          }
          await run.end()
        })
      },
    ),
    { numRuns: 60 },
  )
})

async function openSmall(dir: string, quotaBytes: number): Promise<Store> {
  return await openStore({ dir, files: new FaultyFileSystem(), quotaBytes, memoryBytes: 600 })
}

interface OpenEntry {
  readonly handle: OpenBlob
  readonly held: Set<number>
}

/** The store beside what it has promised: for each open blob the chunks whose write or adoption has resolved. */
class ModelRun {
  readonly #dir: string
  readonly #quotaBytes: number
  #store: Store
  #open = new Map<number, OpenEntry>()

  private constructor(dir: string, quotaBytes: number, store: Store) {
    this.#dir = dir
    this.#quotaBytes = quotaBytes
    this.#store = store
  }

  static async begin(dir: string, quotaBytes: number): Promise<ModelRun> {
    return new ModelRun(dir, quotaBytes, await openSmall(dir, quotaBytes))
  }

  async end(): Promise<void> {
    await this.#store.close()
  }

  async restart(keepsIndex: boolean): Promise<void> {
    const complete = this.#store.list().filter(({ isComplete }) => isComplete)
    await this.#store.close()
    this.#open.clear()
    if (!keepsIndex)
      for (const suffix of ['', '-wal', '-shm']) await rm(join(this.#dir, 'v1', `index.db${suffix}`), { force: true })
    this.#store = await openSmall(this.#dir, this.#quotaBytes)
    for (const { digest } of complete) assert.equal(this.#store.find(digest)?.isComplete, true, 'stays complete')
  }

  async step(one: Step): Promise<void> {
    try {
      await this.#do(one)
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
    }
  }

  async #do(one: Step): Promise<void> {
    const blob = BLOBS[one.blob] as TestBlob
    if (one.kind === 'remove') return void (await this.#store.remove(blob.ref.digest))
    if (one.kind === 'open' || one.kind === 'write') await this.#openOnce(one.blob, blob)
    const opened = this.#open.get(one.blob)
    if (opened === undefined) return
    const { handle } = opened
    if (one.kind === 'release') {
      this.#open.delete(one.blob)
      handle.release()
    }
    if (one.kind === 'verify') assert.equal(await handle.verifyWhole(), true)
    if (one.kind === 'read') await this.#read(handle, blob, one.from, one.length)
    if (one.kind === 'write' || one.kind === 'adopt') {
      const inBlob = one.chunks.filter((chunk) => chunk < blob.layout.chunkCount)
      await Promise.all(inBlob.map((chunk) => this.#put(opened, blob, chunk, one.kind)))
    }
  }

  async #put({ handle, held }: OpenEntry, blob: TestBlob, chunk: number, kind: 'write' | 'adopt'): Promise<void> {
    if (kind === 'write') await handle.write(chunk, Buffer.from(blob.chunk(chunk)), blob.digest(chunk))
    else if (!(await handle.adopt(chunk, blob.digest(chunk)))) return
    held.add(chunk)
  }

  async #openOnce(number: number, blob: TestBlob): Promise<void> {
    if (this.#open.has(number)) return
    const handle = await this.#store.open(blob.ref)
    if (this.#open.has(number)) return handle.release()
    const held = new Set([...Array(blob.layout.chunkCount).keys()].filter((chunk) => handle.has(chunk)))
    this.#open.set(number, { handle, held })
  }

  async #read(handle: OpenBlob, blob: TestBlob, anywhere: number, atMost: number): Promise<void> {
    const from = anywhere % (blob.bytes.length + 1)
    const length = Math.min(atMost, blob.bytes.length - from)
    const lease = await handle.lend(from, length)
    // Others read, write and give back meanwhile.
    await new Promise(setImmediate)
    assert.deepEqual(Buffer.from(lease.bytes), blob.bytes.subarray(from, from + length))
    lease.release()
  }

  async check(): Promise<void> {
    const { usedBytes, reservedBytes } = this.#store.usage()
    assert.ok(usedBytes + reservedBytes <= this.#quotaBytes, `${usedBytes} + ${reservedBytes} bytes fit the quota`)
    for (const [number, { handle, held }] of this.#open) {
      const blob = BLOBS[number] as TestBlob
      for (const chunk of held) assert.equal(handle.has(chunk), true, 'stays held while it is open')
      for (let chunk = 0; chunk < blob.layout.chunkCount; chunk++) {
        if (!handle.has(chunk)) continue
        assert.deepEqual(Buffer.from(handle.digestAt(chunk) ?? []), Buffer.from(blob.digest(chunk)))
        await this.#read(handle, blob, blob.layout.offsetOf(chunk), blob.layout.lengthOf(chunk))
      }
    }
  }
}
