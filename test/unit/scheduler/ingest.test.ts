import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestHex, digestOf } from '../../../src/core/index.ts'
import { CHUNK_BYTES, ingestLab } from '../../support/ingest-lab.ts'

describe('a verified chunk', () => {
  it('is read from memory while it is written, and counts as held only then', async () => {
    const { blob, ingest, write, read } = ingestLab()
    const writing = write(1, 7)
    assert.deepEqual([ingest.isReadable(1), ingest.isHad(1), blob.has(1)], [true, true, false])
    assert.deepEqual(await read(CHUNK_BYTES + 10, 3), [7, 7, 7])
    await blob.reach()
    assert.equal(await writing, true)
    assert.deepEqual([blob.has(1), blob.storedByte(1)], [true, 7])
  })

  it('is read from memory for a second after', async () => {
    const { clock, blob, budget, pool, write, read } = ingestLab()
    const writing = write(0, 3)
    await blob.reach()
    await writing
    assert.equal((await read(0, CHUNK_BYTES)).length, CHUNK_BYTES)
    assert.deepEqual([budget.freeBytes, pool.idleBytes], [1_024 - CHUNK_BYTES, 0])
    await clock.advance(1_000)
    assert.deepEqual([budget.freeBytes, pool.idleBytes], [1_024, CHUNK_BYTES])
    await assert.rejects(read(0, 1), /read from disk/)
  })

  it('stays right for whoever still reads it when it leaves memory', async () => {
    const { clock, blob, ingest, pool, write } = ingestLab()
    const writing = write(0, 3)
    const [part, whole] = [await ingest.lend(5, 4, {}), ingest.lendIfFresh(0)]
    await blob.reach()
    await writing
    await clock.advance(1_000)
    assert.deepEqual([...part.bytes], [3, 3, 3, 3])
    assert.ok(whole?.bytes.every((byte) => byte === 3))
    part.release()
    assert.equal(pool.idleBytes, 0)
    whole?.release()
    assert.equal(pool.idleBytes, CHUNK_BYTES)
  })

  it('is given to the memory of the store once, when parts of it are read', async () => {
    const { clock, blob, ingest, write, read } = ingestLab()
    const writing = write(0, 3)
    const whole = await ingest.lend(0, CHUNK_BYTES, {})
    assert.equal(blob.remembered.length, 0)
    whole.release()
    await read(4, 8)
    await read(12, 8)
    await blob.reach()
    await writing
    await clock.advance(1_000)
    assert.deepEqual(blob.remembered, [[digestHex(digestOf(Buffer.alloc(CHUNK_BYTES, 3))), 3]])
  })

  it('is written once when it comes twice', async () => {
    const { blob, pool, write, read } = ingestLab()
    const first = write(0, 3)
    assert.equal(await write(0, 4), false)
    assert.deepEqual(await read(0, 1), [3])
    await blob.reach()
    assert.equal(await first, true)
    assert.equal(blob.storedByte(0), 3)
    assert.equal(pool.idleBytes, CHUNK_BYTES)
  })

  it('is read from the blob where a range goes beyond it', async () => {
    const { blob, write, read } = ingestLab()
    const writing = write(0, 3)
    await assert.rejects(read(CHUNK_BYTES - 1, 2), /read from disk/)
    await blob.reach()
    await writing
  })

  it('passes through memory from the first write that fails', async () => {
    const { clock, blob, budget, ingest, pool, write, read } = ingestLab()
    blob.isBroken = true
    const writing = write(0, 3)
    assert.deepEqual(await read(0, 1), [3])
    await blob.reach()
    assert.equal(await writing, true)
    assert.deepEqual([ingest.isOverflowing, ingest.isReadable(0), blob.has(0)], [true, true, false])
    assert.deepEqual(await read(0, 2), [3, 3])
    assert.deepEqual([budget.freeBytes, pool.idleBytes, clock.pendingCount > 1], [1_024, CHUNK_BYTES, false])
  })

  it('is no longer there once the blob was found wrong', async () => {
    const { blob, budget, ingest, pool, write, read } = ingestLab()
    const writing = write(0, 3)
    await blob.reach()
    await writing
    blob.lose(0)
    ingest.forgetFresh()
    assert.deepEqual([ingest.isReadable(0), budget.freeBytes, pool.idleBytes], [false, 1_024, CHUNK_BYTES])
    const again = write(0, 4)
    assert.deepEqual(await read(0, 1), [4])
    await blob.reach()
    await again
  })

  it('gives way to the one that comes when the store has lost it', async () => {
    const { blob, ingest, pool, write, read } = ingestLab()
    const writing = write(0, 3)
    await blob.reach()
    await writing
    blob.lose(0)
    assert.deepEqual([ingest.isReadable(0), ingest.isHad(0)], [true, false])
    const again = write(0, 3)
    assert.equal(pool.idleBytes, CHUNK_BYTES)
    await blob.reach()
    await again
    assert.deepEqual(await read(0, 1), [3])
  })
})
