import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  BANDWIDTH_CLASSES,
  type BandwidthClass,
  BandwidthLimiter,
  type BandwidthRates,
  RATE_NAMES,
} from '../../src/util/index.ts'
import { settle, VirtualClock } from '../support/virtual-clock.ts'

const MAX_TAKE_BYTES = 5_000

/** What the limiter lets through at once, as a share of a second. */
const BURST_SECONDS = 0.2

const rateArbitrary = fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 500, max: 20_000 }))

const ratesArbitrary: fc.Arbitrary<BandwidthRates> = fc.record({
  total: rateArbitrary,
  lazy: rateArbitrary,
  pull: rateArbitrary,
  background: rateArbitrary,
})

type Step =
  | { readonly kind: 'take'; readonly bytes: number; readonly name: BandwidthClass }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'abort'; readonly which: number }

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('take' as const),
      bytes: fc.integer({ min: 1, max: MAX_TAKE_BYTES }),
      name: fc.constantFrom(...BANDWIDTH_CLASSES),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 2_000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('abort' as const), which: fc.nat({ max: 50 }) }) },
)

interface Granted {
  readonly atMs: number
  readonly bytes: number
  readonly name: BandwidthClass
  readonly order: number
}

/** Runs `steps` on a limiter and gives what it let through; every taker that was not aborted has gone by the end. */
async function run(rates: BandwidthRates, steps: readonly Step[]) {
  const clock = new VirtualClock()
  const limiter = new BandwidthLimiter(rates, { clock })
  const granted: Granted[] = []
  const waiting = new Map<number, AbortController>()
  let order = 0
  for (const step of steps) {
    if (step.kind === 'wait') await clock.advance(step.ms)
    else if (step.kind === 'abort') [...waiting.values()][step.which]?.abort()
    else {
      const id = order++
      const controller = new AbortController()
      const note = () => void granted.push({ atMs: clock.now(), bytes: step.bytes, name: step.name, order: id })
      const turn = limiter.take(step.bytes, step.name, { signal: controller.signal })
      if (turn === undefined) note()
      else {
        waiting.set(id, controller)
        turn.then(note, () => undefined).finally(() => waiting.delete(id))
      }
    }
    await settle()
  }
  await clock.advance(1_000_000)
  assert.equal(waiting.size, 0)
  assert.equal(limiter.waitingCount, 0)
  assert.equal(clock.pendingCount, 0)
  return granted
}

test('over any time no more than the rate, one burst and one take goes through, in all and in each class', async () => {
  await fc.assert(
    fc.asyncProperty(ratesArbitrary, fc.array(stepArbitrary, { maxLength: 60 }), async (rates, steps) => {
      const granted = await run(rates, steps)
      for (const name of RATE_NAMES) {
        const rate = rates[name]
        if (!Number.isFinite(rate)) continue
        const counted = granted.filter((grant) => name === 'total' || grant.name === name)
        for (let first = 0; first < counted.length; first++) {
          let bytes = 0
          for (const grant of counted.slice(first)) {
            bytes += grant.bytes
            const seconds = (grant.atMs - (counted[first]?.atMs ?? 0)) / 1000
            const allowed = rate * (seconds + BURST_SECONDS) + MAX_TAKE_BYTES
            assert.ok(bytes <= allowed + 1e-6, `${name}: ${bytes} bytes in ${seconds} s, allowed are ${allowed}`)
          }
        }
      }
    }),
    { numRuns: 60 },
  )
})

test('within a class those who came first go first', async () => {
  await fc.assert(
    fc.asyncProperty(ratesArbitrary, fc.array(stepArbitrary, { maxLength: 60 }), async (rates, steps) => {
      const granted = await run(rates, steps)
      for (const name of BANDWIDTH_CLASSES) {
        const orders = granted.filter((grant) => grant.name === name).map(({ order }) => order)
        assert.deepEqual(
          orders,
          orders.toSorted((a, b) => a - b),
        )
      }
    }),
    { numRuns: 40 },
  )
})

test('of those who wait together under one rate the higher class goes first', async () => {
  const takers = fc.array(fc.constantFrom(...BANDWIDTH_CLASSES), { minLength: 1, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(takers, fc.integer({ min: 500, max: 20_000 }), async (names, total) => {
      const unlimited = Number.POSITIVE_INFINITY
      const rates = { total, lazy: unlimited, pull: unlimited, background: unlimited }
      const debtor = { kind: 'take' as const, bytes: MAX_TAKE_BYTES, name: 'background' as const }
      const steps = names.map((name) => ({ kind: 'take' as const, bytes: 100, name }))
      const granted = (await run(rates, [debtor, ...steps])).slice(1)
      const ranks = granted.map(({ name }) => BANDWIDTH_CLASSES.indexOf(name))
      assert.deepEqual(
        ranks,
        ranks.toSorted((a, b) => a - b),
      )
    }),
    { numRuns: 40 },
  )
})
