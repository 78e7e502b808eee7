import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ZoneLedger } from '../../../src/scheduler/zone-ledger.ts'

it('adds up bytes by zone, however many zones peers make up', () => {
  const ledger = new ZoneLedger()
  ledger.add('a', 1)
  ledger.add('', 2)
  for (let i = 0; i < 1_000; i++) ledger.add(`made up ${i}`, 1)
  ledger.add('a', 1)
  assert.equal(ledger.total['a'], 2)
  assert.equal(ledger.total[''], 2)
  assert.ok(Object.keys(ledger.total).length <= 65)
  assert.equal(
    Object.values(ledger.total).reduce((sum, bytes) => sum + bytes, 0),
    1_004,
  )
})
