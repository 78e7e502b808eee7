import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GridLayout } from '../../../src/chunking/index.ts'
import { Demand, type DemandKind, isMorePressing, urgencyAmong, windowsOf } from '../../../src/scheduler/demand.ts'
import { defaultSettings } from '../../../src/scheduler/index.ts'

const layout = new GridLayout(100, 10)
const settings = { ...defaultSettings, openWindowBytes: 20, pullWindowBytes: 30, windowPatienceMs: 1_000 }

function urgencies(demand: Demand, nowMs = 0) {
  return Array.from({ length: layout.chunkCount }, (_, chunk) => demand.urgencyOf(chunk, layout, nowMs, settings))
}

describe('demand', () => {
  it('of a range makes exactly its chunks pressing', () => {
    const wanted = urgencies(new Demand('range', 15, 31))
    assert.deepEqual(wanted.slice(0, 5), [undefined, 'range', 'range', 'range', undefined])
  })

  it('of an open range wants no more than its window', () => {
    const wanted = urgencies(new Demand('open', 10, 100))
    assert.deepEqual(wanted.slice(0, 5), [undefined, 'window', 'window', undefined, undefined])
  })

  it('of a whole pull wants its window in order and the rest in bulk', () => {
    const wanted = urgencies(new Demand('whole', 0, 100))
    assert.deepEqual(wanted, [...Array(3).fill('window'), ...Array(7).fill('bulk')])
  })

  it('of the background presses nobody', () => {
    assert.deepEqual(urgencies(new Demand('background', 0, 100)), Array(10).fill('background'))
  })

  it('of what comes next wants exactly that, after those who wait', () => {
    const ahead = new Demand('ahead', 15, 31)
    assert.deepEqual(urgencies(ahead).slice(0, 5), [undefined, 'ahead', 'ahead', 'ahead', undefined])
    assert.ok(isMorePressing('window', 'ahead') && isMorePressing('ahead', 'bulk'))
    assert.equal(ahead.bandwidth, 'lazy')
    assert.deepEqual(windowsOf([ahead], 20), [], 'with no disk there is no place for it')
  })

  it('of a trace comes after what a reader reads next, before what pulls want at some time, and counts as nobody waiting', () => {
    const trace = new Demand('trace', 30, 40)
    assert.deepEqual(urgencies(trace).slice(2, 5), [undefined, 'trace', undefined])
    assert.ok(isMorePressing('ahead', 'trace') && isMorePressing('trace', 'bulk'))
    assert.equal(trace.bandwidth, 'background')
    assert.deepEqual(windowsOf([trace], 20), [], 'with no disk there is no place for it')
  })

  it('moves with its reader and ends when everything was read', () => {
    const demand = new Demand('open', 0, 40)
    demand.advance(25)
    assert.deepEqual(urgencies(demand).slice(0, 6), [undefined, undefined, 'window', 'window', undefined, undefined])
    demand.advance(40)
    assert.ok(demand.isDone)
    assert.deepEqual(urgencies(demand), Array(10).fill(undefined))
  })

  it('has the chunk its reader waited long for asked by name, until the reader moves on', () => {
    const demand = new Demand('whole', 0, 100)
    demand.waits(500)
    demand.waits(1_200)
    assert.equal(demand.urgencyOf(0, layout, 1_499, settings), 'window')
    assert.equal(demand.urgencyOf(0, layout, 1_500, settings), 'range')
    assert.equal(demand.urgencyOf(1, layout, 1_500, settings), 'window')
    demand.advance(10)
    assert.equal(demand.urgencyOf(1, layout, 9_000, settings), 'window')
  })

  it('narrowed to its window keeps its place and its patience', () => {
    const demand = new Demand('whole', 20, 100)
    demand.waits(0)
    const narrow = demand.narrowed(20)
    assert.deepEqual(urgencies(narrow).slice(1, 5), [undefined, 'window', 'window', undefined])
    assert.equal(narrow.urgencyOf(2, layout, 1_000, settings), 'range')
    assert.deepEqual(urgencies(new Demand('range', 20, 100).narrowed(20)).slice(1, 5), [
      undefined,
      'range',
      'range',
      undefined,
    ])
  })

  it('of several readers is as pressing as the most pressing of them', () => {
    const kinds: DemandKind[] = ['background', 'whole', 'range']
    const demands = kinds.map((kind) => new Demand(kind, 0, 100))
    const among = (some: Demand[]) => urgencyAmong(some, 9, layout, 0, settings)
    assert.equal(among([]), undefined)
    assert.equal(among(demands.slice(0, 1)), 'background')
    assert.equal(among(demands.slice(0, 2)), 'bulk')
    assert.equal(among(demands), 'range')
    assert.ok(isMorePressing('window', 'bulk') && !isMorePressing('bulk', 'bulk'))
  })
})
