import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Membership } from '../../../src/agent/membership.ts'
import { type Digest, digestOf } from '../../../src/core/index.ts'

const layer = digestOf(Buffer.from('layer'))

/** A discovery that notes how long each layer is kept from the DHT. */
function setUp(hasTracker: boolean) {
  const delays: number[] = []
  const announced: Digest[] = []
  const membership = new Membership({
    random: () => 0.5,
    discovery: {
      provide: (_digest, delayMs) => void delays.push(delayMs ?? 0),
      hastenProvides: (delayMs) => void delays.push(delayMs()),
      unprovide: () => {},
      reportDead: () => {},
      async *findPeers() {},
    },
    announce: (digests) => void announced.push(...digests),
    withdraw: () => {},
    hasTracker: () => hasTracker,
    askers: () => [],
  })
  return { membership, delays, announced }
}

describe('membership', () => {
  it('tells the DHT at once where no tracker hears what is held', () => {
    const { membership, delays } = setUp(false)
    membership.provide(layer)
    assert.deepEqual(delays, [0])
  })

  it('leaves a wave of pulls to itself where a tracker hears it', () => {
    const { membership, delays, announced } = setUp(true)
    membership.provide(layer)
    membership.provide(layer)
    assert.deepEqual(delays, [300_000])
    assert.deepEqual(announced, [layer])
  })

  it('tells the DHT soon when a tracker leaves', () => {
    const { membership, delays } = setUp(true)
    membership.provide(layer)
    membership.trackerLeft()
    assert.deepEqual(delays, [300_000, 30_000])
  })
})
