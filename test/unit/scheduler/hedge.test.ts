import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HedgeBudget, judge } from '../../../src/scheduler/hedge.ts'
import { defaultSettings } from '../../../src/scheduler/index.ts'
import { PeerState } from '../../../src/scheduler/peer-state.ts'

const attempt = { chunk: 0, sourceId: 'peer', sinceMs: 1_000, controller: new AbortController() }

function peerHeardAt(ms: number): PeerState {
  return new PeerState('peer', 'agent', 1, ms)
}

describe('judging a request', () => {
  it('leaves it alone for the stall floor even when chunks usually come at once', () => {
    assert.equal(judge(attempt, peerHeardAt(1_000), 1, 1_249, defaultSettings), 'leave')
    assert.equal(judge(attempt, peerHeardAt(1_000), 1, 1_250, defaultSettings), 'move')
  })

  it('gives a slow network four times what is usual', () => {
    assert.equal(judge(attempt, peerHeardAt(1_000), 500, 2_999, defaultSettings), 'leave')
    assert.equal(judge(attempt, peerHeardAt(1_000), 500, 3_000, defaultSettings), 'move')
  })

  it('in the endgame asks someone else besides as soon as a request takes longer than usual', () => {
    assert.equal(judge(attempt, peerHeardAt(1_000), 400, 1_399, defaultSettings, true), 'leave')
    assert.equal(judge(attempt, peerHeardAt(1_000), 400, 1_400, defaultSettings, true), 'hedge')
    assert.equal(judge(attempt, peerHeardAt(1_000), 400, 1_400, defaultSettings), 'leave')
  })

  it('asks someone else besides when the peer delivered something since, and elsewhere when it did not', () => {
    assert.equal(judge(attempt, peerHeardAt(1_200), 1, 2_000, defaultSettings), 'hedge')
    assert.equal(judge(attempt, peerHeardAt(900), 1, 2_000, defaultSettings), 'move')
  })
})

describe('the hedge budget', () => {
  it('grants a few chunks before anything was received', () => {
    const budget = new HedgeBudget(0.02)
    assert.deepEqual(
      [1, 2, 3, 4, 5].map(() => budget.take(100)),
      [true, true, true, true, false],
    )
  })

  it('grows with what was received and takes nothing when it refuses', () => {
    const budget = new HedgeBudget(0.02)
    for (let i = 0; i < 4; i++) budget.take(100)
    budget.received(4_900)
    assert.equal(budget.take(100), false)
    budget.received(100)
    assert.equal(budget.take(100), true)
    assert.equal(budget.take(100), false)
  })
})
