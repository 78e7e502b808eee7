import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GridLayout } from '../../../src/chunking/index.ts'
import { digestOf, sha256 } from '../../../src/core/index.ts'
import { OverflowBlob } from '../../../src/scheduler/overflow-blob.ts'
import { SimulatedContent, SimulatedStore } from '../../support/simulation/simulated-blob.ts'

const bytes = Uint8Array.from({ length: 200 }, (_, i) => i)
const layout = new GridLayout(200, 10)
const ref = { digest: digestOf(bytes), sizeBytes: 200 }

async function write(blob: OverflowBlob, chunk: number): Promise<void> {
  const part = bytes.slice(chunk * 10, chunk * 10 + 10)
  await blob.write(chunk, part, sha256(part))
}

describe('a blob without a disk', () => {
  it('gives out what was written, from any offset in the chunk', async () => {
    const blob = new OverflowBlob(ref, layout, undefined, 0)
    await write(blob, 3)
    assert.deepEqual((await blob.lend(32, 5)).bytes, bytes.subarray(32, 37))
    assert.ok(blob.has(3) && !blob.has(4))
    assert.equal(blob.isComplete, false)
  })

  it('keeps a bounded number of chunks, the oldest leaving first', async () => {
    const blob = new OverflowBlob(ref, layout, undefined, 0)
    for (let chunk = 0; chunk < 20; chunk++) await write(blob, chunk)
    assert.equal(blob.heldCount, 8)
    assert.ok(!blob.has(11) && blob.has(12) && blob.has(19))
    await assert.rejects(blob.lend(0, 10), { code: 'CHUNK_GONE' })
  })

  it('keeps more of them where they are small', async () => {
    const blob = new OverflowBlob(ref, layout, undefined, 120)
    for (let chunk = 0; chunk < 20; chunk++) await write(blob, chunk)
    for (let again = 0; again < 20; again++) await write(blob, 19)
    assert.equal(blob.heldCount, 12)
    assert.ok(!blob.has(7) && blob.has(8))
  })

  it('keeps its own copy, since a buffer may be used again', async () => {
    const blob = new OverflowBlob(ref, layout, undefined, 0)
    const part = bytes.slice(0, 10)
    await blob.write(0, part, sha256(part))
    part.fill(0xff)
    assert.deepEqual((await blob.lend(0, 10)).bytes, bytes.subarray(0, 10))
  })

  it('still gives out what had been stored before the disk failed', async () => {
    const content = SimulatedContent.real('layer', bytes, 10)
    const stored = await new SimulatedStore([content]).open(content.ref)
    await stored.write(0, content.bytesOf(0), content.digestAt(0))
    const blob = new OverflowBlob(content.ref, layout, stored, 0)
    await write(blob, 1)
    assert.deepEqual(
      Buffer.concat([(await blob.lend(0, 10)).bytes, (await blob.lend(10, 10)).bytes]),
      Buffer.from(bytes.subarray(0, 20)),
    )
    assert.deepEqual(blob.digestAt(0), content.digestAt(0))
  })
})
