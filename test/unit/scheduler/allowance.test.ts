import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Allowance } from '../../../src/scheduler/allowance.ts'
import { BandwidthLimiter, UNLIMITED } from '../../../src/util/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const KB = 1000

/** A download that wants `wants` of a class each time it plans, under a limit that is used up for one second. */
function downloadOf(limiter: BandwidthLimiter, wants: () => readonly ('lazy' | 'pull' | 'background')[]) {
  const got: string[] = []
  const plan = () =>
    allowance.round(() => {
      for (const name of wants()) if (allowance.take(100 * KB, name)) got.push(name)
    })
  const allowance = new Allowance(limiter, plan)
  return { allowance, got, plan }
}

function spentLimiter() {
  const clock = new VirtualClock()
  const limiter = new BandwidthLimiter({ ...UNLIMITED, total: 100 * KB }, { clock })
  limiter.tryTake(120 * KB, 'pull')
  return { clock, limiter }
}

describe('what one download may take', () => {
  it('is everything without a limit', () => {
    const allowance = new Allowance(undefined, () => undefined)
    assert.ok(allowance.take(1e12, 'background'))
  })

  it('waits once for all it wants of a class, and plans again when something may come', async () => {
    const { clock, limiter } = spentLimiter()
    const left = ['pull', 'pull', 'pull'] as 'pull'[]
    const { got, plan } = downloadOf(limiter, () => left.slice(got.length))
    plan()
    assert.deepEqual([got.length, limiter.waitingCount], [0, 1])
    await clock.advance(1_000)
    assert.deepEqual([got.length, limiter.waitingCount], [1, 1])
    await clock.advance(2_000)
    assert.deepEqual([got.length, limiter.waitingCount], [3, 0])
  })

  it('goes to what has become more urgent meanwhile', async () => {
    const { clock, limiter } = spentLimiter()
    let isLazyWanted = false
    const { got, plan } = downloadOf(limiter, () => (isLazyWanted ? ['lazy', 'pull'] : ['pull']))
    const other = downloadOf(limiter, () => (other.got.length === 0 ? ['pull'] : []))
    other.plan()
    plan()
    isLazyWanted = true
    plan()
    await clock.advance(1_000)
    assert.deepEqual([got, other.got], [['lazy'], []])
  })

  it('lets go of its place and of what it was granted when it wants nothing any more', async () => {
    const { clock, limiter } = spentLimiter()
    let wanted: 'pull'[] = ['pull']
    const { allowance, plan } = downloadOf(limiter, () => wanted)
    plan()
    assert.ok(allowance.isWaiting)
    wanted = []
    plan()
    await clock.advance(0)
    assert.deepEqual([allowance.isWaiting, limiter.waitingCount], [false, 0])
    wanted = ['pull']
    plan()
    wanted = []
    // It is granted after a second, and the plan of then does not use it.
    await clock.advance(1_000)
    assert.equal(limiter.waitMs('pull'), 0)
    assert.ok(limiter.tryTake(1, 'pull'))
  })

  it('gives back what did not come', () => {
    const { limiter } = spentLimiter()
    new Allowance(limiter, () => undefined).refund(120 * KB, 'pull')
    assert.equal(limiter.waitMs('pull'), 0)
  })
})
