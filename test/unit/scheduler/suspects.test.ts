import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PeerState } from '../../../src/scheduler/peer-state.ts'
import { Suspects } from '../../../src/scheduler/suspects.ts'

const peer = (id: string) => new PeerState(id, 'agent', 4, 0)
const right = Uint8Array.of(1)
const wrong = Uint8Array.of(2)

test('a peer is convicted once, of the chunk that it sent wrong, and of no other', () => {
  const suspects = new Suspects()
  const [honest, liar] = [peer('honest'), peer('liar')]
  suspects.note(0, honest, right)
  suspects.note(1, liar, wrong)

  assert.equal(suspects.only, undefined)
  assert.equal(suspects.convict(0, right), undefined)
  assert.equal(suspects.convict(1, right), liar)
  assert.equal(suspects.convict(1, right), undefined)
  assert.equal(suspects.convict(2, right), undefined)
})

test('who alone sent what agents sent is to blame for a wrong whole', () => {
  const suspects = new Suspects()
  const liar = peer('liar')
  assert.equal(suspects.only, undefined)
  suspects.note(0, liar, right)
  suspects.note(3, liar, wrong)
  assert.equal(suspects.only, liar)
})
