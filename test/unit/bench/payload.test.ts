import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ChunkCheck, Payload } from '../../../bench/scenarios/bulk/payload.ts'

const MIB = 1024 * 1024

describe('Payload', () => {
  it('is the same wherever it is made, and its chunks differ', () => {
    const [one, other] = [new Payload(3 * MIB), new Payload(3 * MIB)]
    assert.deepEqual(one.bytesOf(2), other.bytesOf(2))
    assert.notDeepEqual(one.bytesOf(2), one.bytesOf(1))
  })

  it('ends with a shorter chunk when the size is no multiple', () => {
    const payload = new Payload(2 * MIB + 10)
    assert.equal(payload.chunkCount, 3)
    assert.equal(payload.bytesOf(2).byteLength, 10)
  })
})

describe('ChunkCheck', () => {
  const payload = new Payload(2 * MIB)
  const checkPieces = (pieces: readonly Uint8Array[]): void => {
    const check = new ChunkCheck(payload, 1)
    for (const piece of pieces) check.take(piece)
    check.finish()
  }
  const right = payload.bytesOf(1)

  it('takes a chunk cut anywhere', () => {
    checkPieces([right])
    checkPieces([right.subarray(0, 5), right.subarray(5, MIB - 3), right.subarray(MIB - 3)])
  })

  it('refuses another chunk, also when only its end is wrong', () => {
    assert.throws(() => checkPieces([payload.bytesOf(0)]), /wrong bytes/)
    const wrongEnd = Uint8Array.from(right)
    wrongEnd[MIB - 1] = (wrongEnd[MIB - 1] ?? 0) ^ 1
    assert.throws(() => checkPieces([wrongEnd]), /wrong bytes/)
  })

  it('refuses a chunk that is too long or too short', () => {
    assert.throws(() => checkPieces([right, right.subarray(0, 1)]), /longer/)
    assert.throws(() => checkPieces([right.subarray(0, MIB - 1)]), /1 bytes of a chunk are missing/)
  })
})
