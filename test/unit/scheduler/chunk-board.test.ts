import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ChunkBoard } from '../../../src/scheduler/chunk-board.ts'

describe('the chunk board', () => {
  it('keeps a chunk in flight until its last attempt has ended', () => {
    const board = new ChunkBoard(4)
    const [first, second] = [board.begin(2, 'a', 0), board.begin(2, 'b', 5)]
    assert.deepEqual(board.attemptsOn(2), [first, second])
    board.end(first)
    assert.ok(board.isInFlight(2))
    board.end(second)
    assert.ok(!board.isInFlight(2))
    assert.equal(board.inFlightCount, 0)
  })

  it('does not mind an attempt that ends twice', () => {
    const board = new ChunkBoard(4)
    const [first, second] = [board.begin(1, 'a', 0), board.begin(1, 'b', 0)]
    board.end(first)
    board.end(first)
    assert.deepEqual([...board.attempts()], [second])
  })

  it('counts copies, never below none, and knows nothing of chunks outside the blob', () => {
    const board = new ChunkBoard(2)
    board.addCopy(0)
    board.addCopy(0)
    board.addCopy(7)
    board.removeCopy(0)
    board.removeCopy(1)
    assert.deepEqual(
      [0, 1, 7].map((chunk) => board.copiesOf(chunk)),
      [1, 0, 0],
    )
  })
})
