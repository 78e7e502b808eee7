import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { floorSlopeOf, slopeOf } from '../../../bench/scenarios/footprint/slope.ts'

describe('slopeOf', () => {
  it('finds a line exactly', () => {
    const slope = slopeOf(Array.from({ length: 27 }, (_, step) => 100 + 0.5 * step))
    assert.ok(Math.abs(slope.perStep - 0.5) < 1e-9)
    assert.ok(Math.abs(slope.high - slope.low) < 1e-9)
  })

  it('has zero in its interval for noise without a trend', () => {
    const { low, high } = slopeOf(
      Array.from({ length: 28 }, (_, step) => 100 + (step % 4 === 1 || step % 4 === 2 ? 3 : -3)),
    )
    assert.ok(low < 0 && high > 0)
  })
})

describe('floorSlopeOf', () => {
  it('sees no growth in what is given back now and then', () => {
    const saw = Array.from({ length: 80 }, (_, step) => 100 + 4 * (step % 5) + (step % 3))
    const { low, high } = floorSlopeOf(saw, 5)
    assert.ok(low < 0 && high > 0 && high < 0.05)
  })

  it('sees a leak below what goes up and down, per value', () => {
    const leaking = Array.from({ length: 80 }, (_, step) => 100 + 4 * (step % 5) + 0.2 * step)
    const { perStep, low } = floorSlopeOf(leaking, 5)
    assert.ok(Math.abs(perStep - 0.2) < 1e-9)
    assert.ok(low > 0.19)
  })
})
