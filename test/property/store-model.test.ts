import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { ShoalError } from '../../src/core/index.ts'
import type { OpenBlob, Store } from '../../src/store/index.ts'
import { FaultyFileSystem } from '../support/faulty-file-system.ts'
import { openStore, patternBlob, type TestBlob } from '../support/store-lab.ts'

/** Blobs that share most of their chunks, the empty one and one of a single short chunk among them. */
const BLOBS = [
  patternBlob([1, 2, 3, 4, 5], 10),
  patternBlob([3, 3, 1, 9], 64),
  patternBlob([4, 2], 10),
  patternBlob([5], 10),
  patternBlob([]),
  patternBlob([6, 7, 8, 9, 1, 2, 3], 33),
]

/** Room for about half of them, so that opening one evicts another. */
const QUOTA_BYTES = 1800

type Step =
  | { readonly kind: 'open' | 'release' | 'verify' | 'remove'; readonly blob: number }
  | { readonly kind: 'write' | 'adopt'; readonly blob: number; readonly chunk: number }
  | { readonly kind: 'read'; readonly blob: number; readonly from: number; readonly length: number }

const blobs = fc.nat(BLOBS.length - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('open' as const), blob: blobs }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('release', 'verify', 'remove'), blob: blobs }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constantFrom('write', 'write', 'adopt'), blob: blobs, chunk: fc.nat(6) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('read' as const), blob: blobs, from: fc.nat(), length: fc.nat(200) }),
  },
)

/** Steps of one batch run at once; between batches the store may be restarted, with or without its index. */
const batch = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 8 }),
  restart: fc.constantFrom('no', 'no', 'no', 'no', 'with index', 'without index'),
})

test('whatever is done in whatever order, what is held reads back right and what is open stays held', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { maxLength: 14 }), async (batches) => {
      const dir = await mkdtemp(join(tmpdir(), 'shoal-model-'))
      const run = await ModelRun.begin(dir)
      try {
        for (const { steps, restart } of batches) {
          await Promise.all(steps.map((one) => run.step(one)))
          await run.check()
          if (restart !== 'no') await run.restart(restart === 'with index')
        }
      } finally {
        await run.end()
        await rm(dir, { recursive: true, force: true })
      }
    }),
    { numRuns: 60 },
  )
})

async function openSmall(dir: string): Promise<Store> {
  return await openStore({ dir, files: new FaultyFileSystem(), quotaBytes: QUOTA_BYTES, memoryBytes: 600 })
}

/** The store beside what it has promised: for each open blob the chunks whose write or adoption has resolved. */
class ModelRun {
  readonly #dir: string
  #store: Store
  #open = new Map<number, { readonly handle: OpenBlob; readonly held: Set<number> }>()

  private constructor(dir: string, store: Store) {
    this.#dir = dir
    this.#store = store
  }

  static async begin(dir: string): Promise<ModelRun> {
    return new ModelRun(dir, await openSmall(dir))
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
    this.#store = await openSmall(this.#dir)
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
    const opened = this.#open.get(one.blob)
    if (one.kind === 'open') return await this.#openOnce(one.blob, blob)
    if (one.kind === 'remove') return void (await this.#store.remove(blob.ref.digest))
    if (opened === undefined) return
    const { handle, held } = opened
    if (one.kind === 'release') {
      this.#open.delete(one.blob)
      handle.release()
    } else if (one.kind === 'verify') {
      assert.equal(await handle.verifyWhole(), true)
    } else if (one.kind === 'read') {
      await this.#read(handle, blob, one.from, one.length)
    } else if ('chunk' in one && one.chunk < blob.layout.chunkCount) {
      const { chunk } = one
      const isHeld =
        one.kind === 'adopt'
          ? await handle.adopt(chunk, blob.digest(chunk))
          : await handle.write(chunk, Buffer.from(blob.chunk(chunk)), blob.digest(chunk)).then(() => true)
      if (isHeld) held.add(chunk)
    }
  }

  async #openOnce(number: number, blob: TestBlob): Promise<void> {
    const handle = await this.#store.open(blob.ref)
    if (this.#open.has(number)) return handle.release()
    const held = new Set([...Array(blob.layout.chunkCount).keys()].filter((chunk) => handle.has(chunk)))
    this.#open.set(number, { handle, held })
  }

  async #read(handle: OpenBlob, blob: TestBlob, anywhere: number, atMost: number): Promise<void> {
    const from = anywhere % (blob.bytes.length + 1)
    const length = Math.min(atMost, blob.bytes.length - from)
    const bytes = await handle.read(from, length)
    assert.deepEqual(Buffer.from(bytes), blob.bytes.subarray(from, from + length))
  }

  async check(): Promise<void> {
    const { usedBytes, reservedBytes } = this.#store.usage()
    assert.ok(usedBytes + reservedBytes <= QUOTA_BYTES, `${usedBytes} + ${reservedBytes} bytes fit the quota`)
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
