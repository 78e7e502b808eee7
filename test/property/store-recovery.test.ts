import assert from 'node:assert/strict'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { digestOf, ShoalError } from '../../src/core/index.ts'
import type { OpenBlob, Store } from '../../src/store/index.ts'
import { FaultyFileSystem } from '../support/faulty-file-system.ts'
import { fill, inMemoryFolder, openStore, patternBlob, type TestBlob } from '../support/store-lab.ts'

const BLOBS = [patternBlob([1, 2, 3], 10), patternBlob([2, 3, 7, 3], 64), patternBlob([7, 1], 20)]

const DOCUMENT = { digest: digestOf(Buffer.from('{"a":1}')), mediaType: 'text/json', bytes: Buffer.from('{"a":1}') }

type Step =
  | { readonly kind: 'fill' | 'complete' | 'remove' | 'wrong'; readonly blob: number }
  | { readonly kind: 'document' }

const blob = fc.nat(BLOBS.length - 1)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constantFrom('fill', 'complete', 'complete', 'remove', 'wrong'), blob }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'document' as const }) },
  ),
  { minLength: 1, maxLength: 8 },
)

/** Goes through creation, aliases, sealing, moving shared chunks to another blob, and dropping a blob that is wrong. */
const FULL_LIFE: readonly Step[] = [
  { kind: 'complete', blob: 0 },
  { kind: 'complete', blob: 1 },
  { kind: 'fill', blob: 2 },
  { kind: 'remove', blob: 0 },
  { kind: 'wrong', blob: 2 },
  { kind: 'document' },
  { kind: 'complete', blob: 2 },
  { kind: 'remove', blob: 1 },
]

test('after a cut at any operation, whole or torn, everything claimed reads back right', async () => {
  const total = await operationsOf(FULL_LIFE)
  assert.ok(total > 60, `${total} operations`)
  for (let number = 0; number < total; number++) {
    for (const isTorn of [false, true]) await cutAndRecover(FULL_LIFE, { number, isTorn, zeroes: undefined })
  }
})

test('after a cut anywhere in any scenario, everything claimed reads back right', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(80), fc.boolean(), async (scenario, number, isTorn) => {
      await cutAndRecover(scenario, { number, isTorn, zeroes: undefined })
    }),
    { numRuns: 60 },
  )
})

test('bytes that a loss of power kept from the disk are not claimed', async () => {
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.nat(80),
      fc.nat(300),
      fc.integer({ min: 1, max: 90 }),
      async (scenario, number, at, length) => {
        await cutAndRecover(scenario, { number, isTorn: true, zeroes: { at, length } })
      },
    ),
    { numRuns: 60 },
  )
})

interface Cut {
  readonly number: number
  readonly isTorn: boolean
  /** Stretch of each unsealed data file that never reached the disk. */
  readonly zeroes: { readonly at: number; readonly length: number } | undefined
}

async function operationsOf(scenario: readonly Step[]): Promise<number> {
  return await inMemoryFolder(async (dir) => {
    const files = new FaultyFileSystem()
    const store = await openStore({ dir, files })
    await play(store, scenario)
    await store.close()
    return files.operationCount
  })
}

async function cutAndRecover(scenario: readonly Step[], cut: Cut): Promise<void> {
  await inMemoryFolder(async (dir) => {
    const files = new FaultyFileSystem()
    files.cutAt(cut.number, cut.isTorn)
    const promised = await playUntilCut(dir, files, scenario)
    if (cut.zeroes !== undefined) await zeroUnsealed(dir, cut.zeroes.at, cut.zeroes.length)
    const store = await openStore({ dir, files: new FaultyFileSystem() })
    try {
      await checkClaims(store)
      // A torn record may cost the chunk it is about; a whole process that just ended costs nothing that was promised.
      if (!cut.isTorn && cut.zeroes === undefined) checkPromises(store, promised)
      // Slow, and what comes after a cut differs little from one operation to the next.
      if (cut.number % 4 === 0) await fillAll(store)
    } finally {
      await store.close()
    }
  })
}

/** Chunks whose write had resolved, by blob, less those of blobs that were being taken away when the cut came. */
type Promised = Map<number, number>

async function playUntilCut(dir: string, files: FaultyFileSystem, scenario: readonly Step[]): Promise<Promised> {
  let store: Store
  try {
    store = await openStore({ dir, files })
  } catch {
    return new Map()
  }
  const promised = await play(store, scenario)
  await store.close()
  return promised
}

async function play(store: Store, scenario: readonly Step[]): Promise<Promised> {
  const promised: Promised = new Map()
  for (const step of scenario) {
    try {
      await playStep(store, step, promised)
    } catch (error) {
      if (!(error instanceof ShoalError) && !(error instanceof Error && 'syscall' in error)) throw error
      break
    }
  }
  return promised
}

async function playStep(store: Store, step: Step, promised: Promised): Promise<void> {
  if (step.kind === 'document') return await store.putDocument(DOCUMENT)
  const one = BLOBS[step.blob] as TestBlob
  if (step.kind === 'remove') {
    promised.delete(step.blob)
    await store.remove(one.ref.digest)
  } else if (step.kind === 'wrong') {
    await dropWrong(store, one)
  } else {
    const open = await store.open(one.ref)
    for (let chunk = 0; chunk < one.layout.chunkCount - (step.kind === 'fill' ? 1 : 0); chunk++) {
      await fill(open, one, [chunk])
      promised.set(step.blob, Math.max(promised.get(step.blob) ?? 0, chunk + 1))
    }
    if (step.kind === 'complete') assert.equal(await open.verifyWhole(), true)
    open.release()
  }
}

/** Fills a blob with the chunks of another one, so that it is found wrong as a whole. */
async function dropWrong(store: Store, one: TestBlob): Promise<void> {
  const open = await store.open({ digest: wrongDigest(one), sizeBytes: one.ref.sizeBytes })
  await fill(open, one)
  assert.equal(await open.verifyWhole(), false)
  open.release()
}

function wrongDigest(one: TestBlob) {
  return digestOf(Buffer.from(one.ref.digest))
}

async function checkClaims(store: Store): Promise<void> {
  const byDigest = new Map(BLOBS.flatMap((one) => [[one.ref.digest, one] as const, [wrongDigest(one), one] as const]))
  for (const summary of store.list()) {
    const one = byDigest.get(summary.digest)
    assert.ok(one !== undefined, 'only what was put in is there')
    const open = await store.open({ digest: summary.digest, sizeBytes: summary.sizeBytes })
    await checkChunks(open, one)
    if (open.isComplete) assert.deepEqual([open.heldCount, summary.digest], [one.layout.chunkCount, one.ref.digest])
    open.release()
  }
  const document = await store.getDocument(DOCUMENT.digest)
  if (document !== undefined) assert.deepEqual(Buffer.from(document.bytes), DOCUMENT.bytes)
}

async function checkChunks(open: OpenBlob, one: TestBlob): Promise<void> {
  for (let chunk = 0; chunk < one.layout.chunkCount; chunk++) {
    if (!open.has(chunk)) continue
    assert.deepEqual(Buffer.from(open.digestAt(chunk) ?? []), Buffer.from(one.digest(chunk)))
    const bytes = await open.read(one.layout.offsetOf(chunk), one.layout.lengthOf(chunk))
    assert.deepEqual(Buffer.from(bytes), one.chunk(chunk))
  }
}

function checkPromises(store: Store, promised: Promised): void {
  for (const [number, count] of promised) {
    const found = store.find((BLOBS[number] as TestBlob).ref.digest)
    assert.ok((found?.heldCount ?? 0) >= count, `blob ${number} has the ${count} chunks whose writes had resolved`)
  }
}

/** What is left works: every blob can be completed. */
async function fillAll(store: Store): Promise<void> {
  for (const one of BLOBS) {
    const open = await store.open(one.ref)
    await fill(open, one)
    assert.equal(await open.verifyWhole(), true)
    open.release()
  }
  await checkClaims(store)
}

async function zeroUnsealed(dir: string, at: number, length: number): Promise<void> {
  const names = (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.data'))
  const sealed = new Set((await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.done')))
  for (const name of names.filter((one) => !sealed.has(one.replace(/data$/, 'done')))) {
    const file = await open(join(dir, name), 'r+')
    const { size } = await file.stat()
    if (at < size) await file.write(Buffer.alloc(Math.min(length, size - at)), 0, undefined, at)
    await file.close()
  }
}
