import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chooseChunk } from '../../../src/tracker/seeding-policy.ts'

describe('the choice of a chunk to hand out', () => {
  it('is one that nobody was given yet, the lowest first', () => {
    const candidates = [
      { chunk: 0, handed: 1, copies: 1 },
      { chunk: 1, handed: 0, copies: 0 },
      { chunk: 2, handed: 0, copies: 0 },
    ]
    assert.equal(chooseChunk(candidates, false), 1)
    assert.equal(chooseChunk(candidates, true), 1)
  })

  it('is nothing while all were handed out and have arrived, unless it may repeat', () => {
    const candidates = [
      { chunk: 0, handed: 1, copies: 5 },
      { chunk: 1, handed: 1, copies: 2 },
    ]
    assert.equal(chooseChunk(candidates, false), undefined)
    assert.equal(chooseChunk(candidates, true), 1)
  })

  it('is a chunk handed out but held by nobody again', () => {
    assert.equal(chooseChunk([{ chunk: 3, handed: 1, copies: 0 }], false), 3)
  })

  it('is nothing among nothing', () => {
    assert.equal(chooseChunk([], true), undefined)
  })
})
