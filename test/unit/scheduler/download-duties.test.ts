import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChunkBoard, ORIGIN } from '../../../src/scheduler/chunk-board.ts'
import { DownloadDuties } from '../../../src/scheduler/download-duties.ts'
import { OriginPace } from '../../../src/scheduler/origin-pace.ts'
import { PeerState } from '../../../src/scheduler/peer-state.ts'
import type { Swarm } from '../../../src/scheduler/swarm.ts'

const CHUNKS = 64
const DUTY_PATIENCE_MS = 3_000

/** The duties of one agent that shares a blob with one other, of which nothing is heard. */
function dutiesOfTwo() {
  const board = new ChunkBoard(CHUNKS)
  const pace = new OriginPace()
  const other = new PeerState('other', 'agent', CHUNKS, 0)
  const swarm = { sharers: [other], holders: [] } as unknown as Swarm
  const duties = new DownloadDuties(
    { selfId: 'self', role: 'agent', digest: 'blob', chunkCount: CHUNKS, dutyPatienceMs: DUTY_PATIENCE_MS },
    { swarm, board, pace, isHad: () => false },
  )
  const countOfOther = (nowMs: number): number => {
    const now = duties.ofOrigin(nowMs)
    return Array.from({ length: CHUNKS }, (_, chunk) => now.holderOf(chunk)).filter((peer) => peer !== undefined).length
  }
  return { board, pace, duties, other, countOfOther }
}

test('takes over the duty of an agent of which nothing is heard', () => {
  const { countOfOther } = dutiesOfTwo()
  assert.ok(countOfOther(DUTY_PATIENCE_MS - 1) > 0)
  assert.equal(countOfOther(DUTY_PATIENCE_MS), 0)
})

test('leaves duties where they are while its own read of the origin waits as long', () => {
  const { board, duties, countOfOther } = dutiesOfTwo()
  duties.originAsked(0)
  const attempt = board.begin(0, ORIGIN, 0)
  const before = countOfOther(1)
  assert.equal(countOfOther(2 * DUTY_PATIENCE_MS), before)
  board.end(attempt)
  assert.equal(countOfOther(2 * DUTY_PATIENCE_MS), 0)
})

test('leaves duties where they are while other blobs of the origin take as long', () => {
  const { pace, countOfOther } = dutiesOfTwo()
  pace.tookMs(DUTY_PATIENCE_MS)
  assert.ok(countOfOther(2 * DUTY_PATIENCE_MS) > 0)
})

test('leaves duties with an agent that rests from having stalled: it may read all the same', () => {
  const { other, countOfOther } = dutiesOfTwo()
  const before = countOfOther(1)
  other.stalled(1)
  assert.equal(countOfOther(2), before)
})
