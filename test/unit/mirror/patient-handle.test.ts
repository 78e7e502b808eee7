import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../../../src/core/index.ts'
import { PatientHandle } from '../../../src/mirror/patient-handle.ts'
import type { BlobHandle, ByteRange } from '../../../src/mirror/index.ts'
import { type Lease, unpooled } from '../../../src/util/index.ts'
import { patternBytes, SourcesFailedError } from '../../support/mirror-fakes.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

/** A blob that gives one piece for each attempt and then fails, until it is well again. */
class FailingBlob implements BlobHandle {
  readonly sizeBytes = 1000
  readonly attempts: ByteRange[] = []
  isWell = false
  readonly #pieceBytes: number
  readonly #error: Error

  constructor(pieceBytes: number, error: Error = new SourcesFailedError()) {
    this.#pieceBytes = pieceBytes
    this.#error = error
  }

  async *lend(range: ByteRange): AsyncGenerator<Lease> {
    this.attempts.push(range)
    const end = this.isWell ? range.end : Math.min(range.start + this.#pieceBytes, range.end)
    if (end > range.start) yield unpooled(patternBytes(range.start, end))
    if (end < range.end) throw this.#error
  }

  close(): void {}
}

async function readAll(handle: BlobHandle, range: ByteRange, signal?: AbortSignal): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const { bytes } of handle.lend(range, 'range', signal === undefined ? {} : { signal })) pieces.push(bytes)
  return Buffer.concat(pieces)
}

test('goes on at the byte it has reached when the sources come back', async () => {
  const clock = new VirtualClock()
  const blob = new FailingBlob(30)
  const read = readAll(new PatientHandle(blob, { clock }), { start: 100, end: 200 })
  await clock.advance(200)
  blob.isWell = true
  await clock.advance(200)
  assert.ok((await read).equals(patternBytes(100, 200)))
  assert.deepEqual(
    blob.attempts.map(({ start }) => start),
    [100, 130, 160],
  )
  assert.equal(clock.pendingCount, 0)
})

test('tries about once a second in a long outage', async () => {
  const clock = new VirtualClock()
  const blob = new FailingBlob(0)
  const read = readAll(new PatientHandle(blob, { clock }), { start: 0, end: 10 })
  await clock.advance(30_000)
  assert.ok(blob.attempts.length > 25 && blob.attempts.length < 36, `${blob.attempts.length} attempts`)
  blob.isWell = true
  await clock.advance(1_000)
  assert.ok((await read).equals(patternBytes(0, 10)))
})

test('ends with the one who waits for it, also in the middle of a pause', async () => {
  const clock = new VirtualClock()
  const blob = new FailingBlob(0)
  const controller = new AbortController()
  const read = readAll(new PatientHandle(blob, { clock }), { start: 0, end: 10 }, controller.signal)
  const outcome = assert.rejects(read, { name: 'AbortError' })
  await clock.advance(100)
  controller.abort(new DOMException('the budget is spent', 'AbortError'))
  await outcome
  assert.equal(clock.pendingCount, 0)
  assert.equal(blob.attempts.length, 1)
})

test('does not repeat what will not pass: wrong bytes, a broken disk', async () => {
  for (const init of [
    { blame: 'peer', retryable: true },
    { blame: 'local', retryable: true },
    { blame: 'origin', retryable: false },
  ] as const) {
    const blob = new FailingBlob(5, new ShoalError('for good', { code: 'TEST', ...init }))
    const read = readAll(new PatientHandle(blob, { clock: new VirtualClock() }), { start: 0, end: 10 })
    await assert.rejects(read, { code: 'TEST' })
    assert.equal(blob.attempts.length, 1)
  }
})
