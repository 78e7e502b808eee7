import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DutyRoster, type DutyView } from '../../../src/scheduler/duty-roster.ts'
import { STRIPE_CHUNKS } from '../../../src/scheduler/peer-duty.ts'
import { PeerState } from '../../../src/scheduler/peer-state.ts'

const CHUNKS = 40 * STRIPE_CHUNKS
const PATIENCE_MS = 1_000
const names = ['a', 'b', 'c']

/** What `self` takes the duties to be when it sees all others. */
function dutiesAt(self: string, view: Partial<DutyView> = {}) {
  const members = view.members ?? membersBut(self)
  return new DutyRoster(self, 'sha256:blob').at({
    nowMs: 0,
    patienceMs: PATIENCE_MS,
    chunkCount: CHUNKS,
    sinceMs: () => 0,
    isOrphan: () => true,
    ...view,
    members,
  })
}

function membersBut(self: string): PeerState[] {
  return names.filter((name) => name !== self).map((name) => new PeerState(name, 'agent', CHUNKS, 0))
}

/** Who reads `chunk`, as each one sees it. */
function readersOf(chunk: number, view: Partial<DutyView> = {}): string[] {
  return names.filter((self) => dutiesAt(self, view).holderOf(chunk) === undefined)
}

const chunks = Array.from({ length: CHUNKS }, (_, chunk) => chunk)

describe('the duties among agents', () => {
  it('name exactly one reader for each chunk', () => {
    for (const chunk of chunks) assert.equal(readersOf(chunk).length, 1, `chunk ${chunk}`)
  })

  it('fall to one more each time patience runs out, never to all at once', () => {
    for (const chunk of [0, 50, 100]) {
      assert.equal(readersOf(chunk, { nowMs: PATIENCE_MS - 1 }).length, 1)
      assert.equal(readersOf(chunk, { nowMs: PATIENCE_MS }).length, 2)
      assert.equal(readersOf(chunk, { nowMs: 2 * PATIENCE_MS }).length, 3)
    }
  })

  it('count patience from when a chunk could be fetched', () => {
    assert.equal(readersOf(0, { nowMs: 3 * PATIENCE_MS, sinceMs: () => 3 * PATIENCE_MS }).length, 1)
  })

  it('stay with one that brings something new', () => {
    const chunk = chunks.find((each) => dutiesAt('a').holderOf(each)?.id === 'b') ?? 0
    const members = membersBut('a')
    for (const member of members) member.lastNewMs = 5_000
    assert.equal(dutiesAt('a', { nowMs: 5_500, members }).holderOf(chunk)?.id, 'b')
  })

  it('are all our own when nobody else wants the blob', () => {
    const alone = dutiesAt('a', { members: [] })
    assert.ok(chunks.every((chunk) => alone.holderOf(chunk) === undefined))
  })

  it('let an idle one take the last stripe of one that has several left, and no other', () => {
    const owner = dutiesAt('a')
    const left = chunks.filter((chunk) => owner.holderOf(chunk)?.id === 'b')
    const view = { isOrphan: (chunk: number) => left.includes(chunk) }
    const stolen = left.filter((chunk) => readersOf(chunk, view).length > 1)
    assert.ok(stolen.length <= STRIPE_CHUNKS)
    assert.ok(stolen.every((chunk) => chunk >= (left.at(-STRIPE_CHUNKS) ?? 0)))
  })
})
