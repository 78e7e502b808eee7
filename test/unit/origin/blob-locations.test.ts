import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../src/core/index.ts'
import { BlobLocations, locationKey } from '../../../src/origin/blob-locations.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const DIGEST = digestOf(Buffer.from('blob'))

test('a signed URL is kept for less than the shortest life registries give', async () => {
  const clock = new VirtualClock()
  const locations = new BlobLocations({ clock })
  const url = new URL('https://storage.test/x?sig')
  locations.set('key', url)
  await clock.advance(239_999)
  assert.equal(locations.get('key'), url)
  await clock.advance(1)
  assert.equal(locations.get('key'), undefined)
})

test('a signed URL is never shared between identities, repositories or blobs', () => {
  const caller = (authorization: string) => ({ kind: 'caller', authorization }) as const
  const keys = [
    locationKey('a', DIGEST, { kind: 'agent' }),
    locationKey('a', DIGEST, { kind: 'anonymous' }),
    locationKey('a', DIGEST, caller('Bearer one')),
    locationKey('a', DIGEST, caller('Bearer two')),
    locationKey('b', DIGEST, { kind: 'agent' }),
    locationKey('a', digestOf(Buffer.from('other')), { kind: 'agent' }),
  ]
  assert.equal(new Set(keys).size, keys.length)
  assert.ok(!keys.join().includes('Bearer'), 'no secret stands in a key')
})
