import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChunkMap, gridLayout, type SignedChunkMap } from '../../../src/chunking/index.ts'
import { digestOf, sha256 } from '../../../src/core/index.ts'
import { DigestTrust } from '../../../src/scheduler/digest-trust.ts'

const LAYOUT = gridLayout(3 * 1024 * 1024)
const NOBODY = () => false
const right = [0, 1, 2].map((chunk) => sha256(Buffer.from([chunk])))
const wrong = sha256(Buffer.from('wrong'))

/** A map whose last chunk is wrong, signed by some agent. */
function lyingMap(signer: string): SignedChunkMap {
  const blob = { digest: digestOf(Buffer.from('blob')), sizeBytes: LAYOUT.sizeBytes }
  const digests = Buffer.concat([...right.slice(0, 2), wrong])
  return { map: new ChunkMap({ blob, layout: LAYOUT, digests }), signer, signature: new Uint8Array(64) }
}

test('who believes no agent does not believe its map after a part of it proved right', () => {
  const trust = new DigestTrust(3, Number.POSITIVE_INFINITY, NOBODY)
  trust.offerMap(lyingMap('agent'))
  trust.claim('agent', 2, wrong)
  trust.sampled(0, right[0] as Uint8Array)

  assert.deepEqual(trust.digestAt(0), right[0])
  assert.equal(trust.digestAt(2), undefined)
  assert.equal(trust.isClaimedBy('agent', 2), false)
})

test('a map of an agent is believed once a sample proves it, and no agent is after the whole was wrong', () => {
  const trust = new DigestTrust(3, 2, NOBODY)
  trust.offerMap(lyingMap('agent'))
  trust.sampled(0, right[0] as Uint8Array)
  assert.deepEqual(trust.digestAt(2), wrong)

  trust.distrust()
  trust.offerMap(lyingMap('agent'))
  trust.offerMap(lyingMap('another'))
  for (const peer of ['agent', 'another']) trust.claim(peer, 1, wrong)
  trust.sampled(0, right[0] as Uint8Array)

  assert.equal(trust.hearsAgents, false)
  assert.deepEqual(
    [0, 1, 2].map((chunk) => trust.digestAt(chunk)),
    [right[0], undefined, undefined],
  )
})

test('a trusted signer is believed by those who believe no agent', () => {
  const trust = new DigestTrust(3, Number.POSITIVE_INFINITY, (signer) => signer === 'tracker')
  trust.offerMap(lyingMap('tracker'))
  assert.ok(trust.isWhole)
})
