import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Demand } from '../../../src/scheduler/demand.ts'
import { chooseHolder } from '../../../src/scheduler/holder-choice.ts'
import { plan } from '../../../src/scheduler/plan.ts'
import type { Action } from '../../../src/scheduler/plan-view.ts'
import { CHUNK, planView, trackerState, wantedOf } from '../../support/simulation/plan-lab.ts'

const ALL = [0, 1, 2, 3, 4, 5, 6, 7]

function asked(actions: readonly Action[]): string[] {
  return actions.map((action) => {
    if (action.kind === 'read-origin') return `origin ${action.start}+${action.count}`
    return action.kind === 'ask-any' ? `any of ${action.peer.id}` : `${action.chunk} of ${action.peer.id}`
  })
}

describe('the order of wanted chunks', () => {
  it('is ranges, then windows, then the rest', () => {
    const demands = [new Demand('whole', 0, 80), new Demand('range', 60, 80)]
    const order = wantedOf(planView({ chunkCount: 8, demands }))
    assert.deepEqual(order.slice(0, 5), [6, 7, 0, 1, 2])
    assert.deepEqual(
      order.slice(5).toSorted((a, b) => a - b),
      [3, 4, 5],
    )
  })

  it('is rarest first beyond the window', () => {
    const holdings = [
      [3, 4, 5, 6, 7],
      [3, 4, 6, 7],
      [3, 4, 7],
    ]
    const view = planView({ chunkCount: 8, demands: [new Demand('whole', 0, 80)], holdings })
    assert.deepEqual(wantedOf(view).slice(3, 5), [5, 6])
  })

  it('leaves out what is held or in flight', () => {
    const view = planView({ chunkCount: 8, demands: [new Demand('range', 0, 40)], held: [1] })
    view.board.begin(2, 'someone', 0)
    assert.deepEqual(wantedOf(view), [0, 3])
  })
})

describe('the choice of a holder', () => {
  it('is the better of two taken at random', () => {
    const view = planView({ chunkCount: 1, holdings: [[0], [0], [0]], random: sequence([0, 0.5]) })
    const [slow, fast] = view.agents
    slow?.served(900, 0)
    fast?.served(10, 0)
    assert.equal(chooseHolder(view, 0, () => true)?.id, 'agent-1')
  })

  it('is nobody who may not be used or does not hold it', () => {
    const view = planView({ chunkCount: 2, holdings: [[1], [0]] })
    assert.equal(
      chooseHolder(view, 0, (peer) => peer.id !== 'agent-1'),
      undefined,
    )
  })
})

describe('a plan', () => {
  it('asks nobody beyond its depth', () => {
    const view = planView({
      chunkCount: 8,
      demands: [new Demand('range', 0, 80)],
      holdings: [ALL],
      mayReadOrigin: false,
    })
    assert.equal(plan(view).length, view.settings.depthPerPeer)
    const [peer] = view.agents
    for (let i = 0; i < view.settings.depthPerPeer; i++) peer?.begins(0)
    assert.deepEqual(plan(view), [])
  })

  it('gives one of few peers several requests and each of many one', () => {
    const requests = (peers: number) => {
      const demands = [new Demand('range', 0, 80)]
      const holdings = Array.from({ length: peers }, () => ALL)
      const actions = plan(planView({ chunkCount: 8, demands, holdings, freeSlots: 8, random: Math.random }))
      const loads = Map.groupBy(actions, (action) => (action.kind === 'ask' ? action.peer.id : action.kind))
      return [...loads.values()].map(({ length }) => length)
    }
    assert.deepEqual(requests(2), [4, 4])
    assert.deepEqual(requests(8), Array(8).fill(1))
  })

  it('starts no more than there are slots', () => {
    const demands = [new Demand('whole', 0, 80)]
    assert.equal(plan(planView({ chunkCount: 8, demands, holdings: [ALL, ALL, ALL], freeSlots: 2 })).length, 2)
    assert.deepEqual(plan(planView({ chunkCount: 8, demands, holdings: [ALL], freeSlots: 0 })), [])
  })

  it('asks no agent that rests', () => {
    const view = planView({ chunkCount: 1, demands: [new Demand('range', 0, CHUNK)], holdings: [[0]], nowMs: 10 })
    const [peer] = view.agents
    if (peer !== undefined) peer.restUntilMs = 11
    assert.deepEqual(asked(plan(view)), ['origin 0+1'])
  })

  it('takes no chunk from an agent before its digest is believed, when a tracker can vouch for it', () => {
    const duty = trackerState(2)
    const demands = [new Demand('whole', 0, 20)]
    const view = planView({ chunkCount: 2, demands, holdings: [[0, 1]], believed: [1], duty })
    assert.deepEqual(asked(plan(view)), ['1 of agent-0', 'any of tracker'])
  })

  it('waits for a free lane of a holder rather than ask the origin, unless a reader waits', () => {
    const busy = (demand: Demand) => {
      const view = planView({ chunkCount: 1, demands: [demand], holdings: [[0]] })
      for (let i = 0; i < view.settings.depthPerPeer; i++) view.agents[0]?.begins(0)
      return asked(plan(view))
    }
    assert.deepEqual(busy(new Demand('whole', 0, CHUNK)), [])
    assert.deepEqual(busy(new Demand('range', 0, CHUNK)), ['origin 0+1'])
  })

  it('asks a tracker for any orphan, and by name for one that a reader waits for', () => {
    const duty = trackerState(8)
    const some = asked(plan(planView({ chunkCount: 8, demands: [new Demand('whole', 0, 80)], duty })))
    assert.deepEqual(some, Array(4).fill('any of tracker'))
    const named = asked(plan(planView({ chunkCount: 8, demands: [new Demand('range', 30, 40)], duty })))
    assert.deepEqual(named, ['3 of tracker'])
  })

  it('asks a tracker by name for what comes next, but for one lane that is for those who wait', () => {
    const duty = trackerState(8)
    const ahead = new Demand('ahead', 10, 80)
    assert.deepEqual(asked(plan(planView({ chunkCount: 8, demands: [ahead], duty }))), [
      '1 of tracker',
      '2 of tracker',
      '3 of tracker',
    ])
    for (let i = 0; i < 3; i++) duty.begins(0)
    const demands = [ahead, new Demand('range', 70, 80)]
    assert.deepEqual(asked(plan(planView({ chunkCount: 8, demands, duty }))), ['7 of tracker'])
  })

  it('asks for what a trace names in its order and by number, after all that is read now', () => {
    const duty = trackerState(8)
    const trace = [6, 2, 4].map((chunk) => new Demand('trace', chunk * CHUNK, (chunk + 1) * CHUNK))
    const demands = [new Demand('background', 0, 80), ...trace, new Demand('range', 70, 80)]
    const view = planView({ chunkCount: 8, demands, duty })
    assert.deepEqual(asked(plan(view)).slice(0, 3), ['7 of tracker', '6 of tracker', '2 of tracker'])
  })

  it('reads what comes next from the origin together with what is asked for, unless it is the duty of another', () => {
    const demands = [new Demand('ahead', 10, 30), new Demand('range', 0, 10)]
    const view = planView({ chunkCount: 8, demands, holdings: [[]] })
    assert.deepEqual(asked(plan(view)), ['origin 0+3'])
    const [other] = view.agents
    assert.deepEqual(asked(plan({ ...view, dutyHolder: (chunk) => (chunk > 1 ? other : undefined) })), ['origin 0+2'])
    assert.deepEqual(asked(plan({ ...view, dutyHolder: () => other })), ['origin 0+1'])
  })

  it('leaves the tracker to others in a crowd, where one want of everybody keeps it busy', () => {
    const duty = trackerState(8)
    const demands = [new Demand('whole', 0, 80)]
    const view = planView({ chunkCount: 8, demands, duty, holdings: [[], [], [], [], []] })
    assert.deepEqual(asked(plan(view)), ['any of tracker'])
    duty.begins(0)
    assert.deepEqual(plan(view), [])
  })

  it('asks nobody for orphans before it is known that they are', () => {
    const demands = [new Demand('whole', 0, 80)]
    assert.deepEqual(plan(planView({ chunkCount: 8, demands, isSettled: false, duty: trackerState(8) })), [])
  })

  it('asks nobody for orphans while the store may turn out to have them, but for who waits for exactly these', () => {
    const whole = new Demand('whole', 0, 80)
    const view = { chunkCount: 8, isTakingStock: true, holdings: [[1]] }
    assert.deepEqual(asked(plan(planView({ ...view, demands: [whole], duty: trackerState(8) }))), ['1 of agent-0'])
    assert.deepEqual(asked(plan(planView({ ...view, demands: [whole] }))), ['1 of agent-0'])
    const range = new Demand('range', 70, 80)
    assert.deepEqual(asked(plan(planView({ ...view, demands: [range], duty: trackerState(8) }))), ['7 of tracker'])
  })

  it('lets nobody wait for agents whose word does not count', () => {
    const demands = [new Demand('range', 0, 40)]
    const tracker = {
      chunkCount: 4,
      demands,
      isSettled: false,
      agreement: Number.POSITIVE_INFINITY,
      holdings: [[0, 1]],
    }
    assert.deepEqual(asked(plan(planView({ ...tracker, believed: [] }))), ['origin 0+4'])
    assert.deepEqual(plan(planView({ ...tracker, believed: [2, 3], isTrackerPending: true })), [])
    assert.deepEqual(asked(plan(planView({ ...tracker, believed: [0, 1, 2, 3] }))), ['0 of agent-0', '1 of agent-0'])
    assert.deepEqual(plan(planView({ ...tracker, agreement: 2, believed: [] })), [])
  })

  it('reads a pull from the origin in one go over the run that nobody has', () => {
    const view = planView({ chunkCount: 8, demands: [new Demand('whole', 0, 80)], held: [0, 5] })
    assert.deepEqual(asked(plan(view)), ['origin 1+4'])
  })

  it('reads no further than its window for a client that may stop at any byte', () => {
    const open = planView({ chunkCount: 8, demands: [new Demand('open', 0, 80)] })
    assert.deepEqual(asked(plan(open)), ['origin 0+2'])
    const range = planView({ chunkCount: 8, demands: [new Demand('range', 0, 80)] })
    assert.deepEqual(asked(plan(range)), ['origin 0+4', 'origin 4+4'])
  })

  it('keeps one origin read going for a pull and a few more for readers who wait', () => {
    const pull = planView({ chunkCount: 8, demands: [new Demand('whole', 0, 80)], originReads: 1 })
    assert.deepEqual(plan(pull), [])
    const demands = [new Demand('range', 0, CHUNK)]
    assert.deepEqual(asked(plan(planView({ chunkCount: 8, demands, originReads: 1 }))), ['origin 0+1'])
    assert.deepEqual(plan(planView({ chunkCount: 8, demands, originReads: 4 })), [])
  })

  it('leaves a chunk to the agent whose duty it is', () => {
    const demands = [new Demand('whole', 0, 40)]
    const view = planView({ chunkCount: 4, demands, holdings: [[]] })
    const [other] = view.agents
    const planned = plan({ ...view, dutyHolder: (chunk) => (chunk < 2 ? other : undefined) })
    assert.deepEqual(asked(planned), ['origin 2+2'])
  })

  it('reads nothing from an origin that rests', () => {
    assert.deepEqual(
      plan(planView({ chunkCount: 1, demands: [new Demand('range', 0, CHUNK)], mayReadOrigin: false })),
      [],
    )
  })
})

function sequence(values: readonly number[]): () => number {
  let next = 0
  return () => values[next++ % values.length] ?? 0
}
