import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ChunkMap, GridLayout } from '../../../src/chunking/index.ts'
import { digestOf, sha256 } from '../../../src/core/index.ts'
import { DigestTrust } from '../../../src/scheduler/digest-trust.ts'

const layout = new GridLayout(30, 10)
const blob = { digest: digestOf(Buffer.from('blob')), sizeBytes: 30 }
const digestNamed = (name: string) => sha256(Buffer.from(name))

/** Two agents must agree; nobody's signature is trusted by itself. */
function trust(): DigestTrust {
  return new DigestTrust(3, 2, () => false)
}

function signed(signer: string, ...names: string[]) {
  const map = new ChunkMap({ blob, layout, digests: Buffer.concat(names.map(digestNamed)) })
  return { map, signer, signature: new Uint8Array(64) }
}

describe('the digest of a chunk', () => {
  it('is believed from a tracker at once, over what agents agreed on', () => {
    const digests = trust()
    for (const peer of ['a', 'b']) digests.claim(peer, 0, digestNamed('wrong'))
    digests.vouch(0, digestNamed('right'))
    assert.deepEqual(digests.digestAt(0), digestNamed('right'))
    digests.vouch(3, digestNamed('outside'))
    assert.equal(digests.digestAt(3), undefined)
  })

  it('is believed from agents when two different ones say the same', () => {
    const digests = trust()
    digests.claim('a', 0, digestNamed('right'))
    digests.claim('a', 0, digestNamed('right'))
    digests.claim('b', 0, digestNamed('wrong'))
    assert.equal(digests.digestAt(0), undefined)
    digests.claim('c', 0, digestNamed('right'))
    assert.deepEqual(digests.digestAt(0), digestNamed('right'))
  })

  it('has a bounded number of rivals, so that a liar cannot fill memory', () => {
    const digests = trust()
    for (let i = 0; i < 100; i++) digests.claim(`liar ${i}`, 0, digestNamed(`lie ${i}`))
    digests.claim('a', 0, digestNamed('lie 99'))
    digests.claim('b', 0, digestNamed('lie 99'))
    assert.equal(digests.digestAt(0), undefined)
    digests.claim('a', 0, digestNamed('lie 0'))
    assert.deepEqual(digests.digestAt(0), digestNamed('lie 0'))
  })

  it('has one rival of each agent, so that one liar cannot keep others from agreeing', () => {
    const digests = trust()
    for (let i = 0; i < 4; i++) digests.claim('liar', 0, digestNamed(`lie ${i}`))
    for (const peer of ['a', 'b']) digests.claim(peer, 0, digestNamed('right'))
    assert.deepEqual(digests.digestAt(0), digestNamed('right'))
  })

  it('is known to be claimed by who claimed it, or by any map', () => {
    const digests = trust()
    digests.claim('a', 0, digestNamed('right'))
    assert.ok(digests.isClaimedBy('a', 0) && !digests.isClaimedBy('b', 0) && !digests.isClaimedBy('a', 1))
    digests.offerMap(signed('c', 'x', 'y', 'z'))
    assert.ok(digests.isClaimedBy('b', 1))
  })
})

describe('a chunk map', () => {
  it('is believed when two signers made the same, not when one offers it twice', () => {
    const digests = trust()
    digests.offerMap(signed('a', 'x', 'y', 'z'))
    digests.offerMap(signed('a', 'x', 'y', 'z'))
    digests.offerMap(signed('b', 'x', 'y', 'other'))
    assert.ok(!digests.isWhole)
    digests.offerMap(signed('c', 'x', 'y', 'z'))
    assert.ok(digests.isWhole)
    assert.deepEqual(digests.digestAt(2), digestNamed('z'))
  })

  it('is proven by a sample that it names, and the one that names another is not', () => {
    const digests = trust()
    digests.offerMap(signed('liar', 'q', 'y', 'z'))
    digests.offerMap(signed('a', 'x', 'y', 'z'))
    digests.sampled(0, digestNamed('x'))
    assert.deepEqual(
      [0, 1, 2].map((chunk) => digests.digestAt(chunk)),
      ['x', 'y', 'z'].map(digestNamed),
    )
  })
})
