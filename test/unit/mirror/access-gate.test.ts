import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Digest, digestOf, type OriginRef } from '../../../src/core/index.ts'
import {
  type AccessGateInit,
  type AccessSubject,
  OriginAccessGate,
  type ProbeOutcome,
} from '../../../src/mirror/index.ts'
import { FakeHistory } from '../../support/mirror-fakes.ts'
import { settle, VirtualClock } from '../../support/virtual-clock.ts'

const ORIGIN: OriginRef = { namespace: 'registry.test', repository: 'team/app' }
const TAG: AccessSubject = { kind: 'manifest', reference: 'v1' }
const LAYER = digestOf(Buffer.from('layer'))
const BLOB: AccessSubject = { kind: 'blob', reference: LAYER }
const PRIVATE: ProbeOutcome = { outcome: 'allowed', anonymous: false }
const PUBLIC: ProbeOutcome = { outcome: 'allowed', anonymous: true }
const CHALLENGE: ProbeOutcome = { outcome: 'challenge', challenges: ['Bearer realm="https://auth.test/token"'] }

/** A gate over an origin whose answers are set by hand. */
function gateOver(
  init: AccessGateInit = {},
  tracker?: (origin: OriginRef, digest: Digest | undefined) => Promise<boolean>,
) {
  const clock = new VirtualClock()
  const history = new FakeHistory()
  const anonymous = new Map<string, number>()
  const state = {
    answer: (_authorization?: string): Promise<ProbeOutcome> => Promise.resolve(PRIVATE),
    probes: [] as string[],
    aborted: 0,
  }
  const gate = new OriginAccessGate(init, {
    clock,
    history,
    probe: {
      probe: async (_origin, { reference }, { authorization, signal }) => {
        state.probes.push(`${authorization ?? 'nobody'} ${reference}`)
        signal?.addEventListener('abort', () => (state.aborted += 1), { once: true })
        return await state.answer(authorization)
      },
    },
    memory: {
      anonymousSince: ({ repository }) => anonymous.get(repository),
      noteAnonymous: ({ repository }) => void anonymous.set(repository, clock.wallTime()),
      forgetAnonymous: ({ repository }) => void anonymous.delete(repository),
    },
    confirmation: tracker && { confirmedByTracker: tracker },
  })
  const ask = async (authorization?: string, subject = TAG): Promise<string> =>
    (await gate.check(ORIGIN, subject, authorization, {})).outcome
  return { gate, clock, history, anonymous, state, ask }
}

const unreachable = (): Promise<never> => Promise.reject(new Error('connect ECONNREFUSED'))
const silent = (): Promise<never> => new Promise(() => {})

describe('a private repository', () => {
  test('is opened to who may read it and to nobody else', async () => {
    const { state, ask } = gateOver()
    state.answer = async (authorization) => (authorization === 'Bearer alice' ? PRIVATE : CHALLENGE)
    assert.equal(await ask('Bearer alice'), 'allowed')
    assert.equal(await ask(), 'challenge')
    assert.equal(await ask('Bearer mallory'), 'challenge')
    assert.equal(await ask('Bearer alice'), 'allowed')
    assert.deepEqual(state.probes, ['Bearer alice v1', 'nobody v1', 'Bearer mallory v1'])
  })

  test('is asked about again once the yes is too old, and closed when it became a no', async () => {
    const { state, clock, ask } = gateOver({ ttlMs: 60_000 })
    await ask('Bearer alice')
    await clock.advance(40_000)
    state.answer = async () => ({ outcome: 'denied' })
    assert.equal(await ask('Bearer alice'), 'allowed')
    await clock.advance(20_000)
    assert.equal(await ask('Bearer alice'), 'denied')
  })

  test('is renewed in the background before the yes runs out, and shut at once by a no', async () => {
    const { gate, state, clock, ask } = gateOver({ ttlMs: 60_000 })
    await ask('Bearer alice')
    await clock.advance(50_000)
    assert.equal(await ask('Bearer alice'), 'allowed')
    await settle()
    await clock.advance(30_000)
    assert.equal(await ask('Bearer alice'), 'allowed')
    assert.equal(state.probes.length, 2)
    await clock.advance(20_000)
    state.answer = async () => ({ outcome: 'denied' })
    assert.equal(await ask('Bearer alice'), 'allowed')
    await settle()
    assert.equal(await ask('Bearer alice'), 'denied')
    await gate.stop()
  })

  test('is not served while the origin is down, whoever was let in before', async () => {
    const { state, clock, ask } = gateOver({ ttlMs: 60_000 })
    await ask('Bearer alice')
    await clock.advance(61_000)
    state.answer = unreachable
    assert.equal(await ask('Bearer alice'), 'unconfirmed')
  })
})

describe('content of a repository', () => {
  test('is given with the repository when the history says it belongs there', async () => {
    const { state, history, ask } = gateOver()
    history.note(LAYER, { namespace: 'registry.test', repository: 'team/app' })
    await ask('Bearer alice')
    assert.equal(await ask('Bearer alice', BLOB), 'allowed')
    assert.equal(state.probes.length, 1)
  })

  test('is asked for by itself when it is only known from elsewhere: a digest may not be guessed across repositories', async () => {
    const { state, history, ask } = gateOver()
    history.note(LAYER, { namespace: 'registry.test', repository: 'other/secret' })
    await ask('Bearer alice')
    state.answer = async () => ({ outcome: 'missing' })
    assert.equal(await ask('Bearer alice', BLOB), 'missing')
    assert.equal(await ask('Bearer alice', { kind: 'manifest', reference: LAYER }), 'missing')
    state.answer = async () => PRIVATE
    assert.equal(await ask('Bearer alice', BLOB), 'allowed')
    assert.equal(await ask('Bearer alice', BLOB), 'allowed')
    assert.equal(state.probes.length, 4)
  })
})

describe('a public repository', () => {
  test('is opened to everybody by one answer', async () => {
    const { state, ask } = gateOver()
    state.answer = async () => PUBLIC
    assert.equal(await ask(), 'allowed')
    assert.equal(await ask('Bearer anyone'), 'allowed')
    assert.equal(state.probes.length, 1)
  })

  test('stays open while the origin is down, up to the stale limit', async () => {
    const { state, clock, ask } = gateOver({ ttlMs: 60_000, staleMs: 3_600_000 })
    state.answer = async () => PUBLIC
    await ask()
    state.answer = unreachable
    await clock.advance(1_800_000)
    assert.equal(await ask(), 'allowed')
    await clock.advance(1_900_000)
    assert.equal(await ask(), 'unconfirmed')
  })

  test('is served within a second when the origin does not answer', async () => {
    const { state, clock, anonymous, ask } = gateOver()
    anonymous.set('team/app', clock.wallTime() - 600_000)
    state.answer = silent
    const asked = ask()
    await clock.advance(1_000)
    assert.equal(await asked, 'allowed')
  })

  test('loses that standing also when the origin says so too late for who asked', async () => {
    const { gate, state, clock, anonymous, ask } = gateOver()
    anonymous.set('team/app', clock.wallTime() - 600_000)
    state.answer = async () => await new Promise((resolve) => void clock.after(3_000, () => resolve(CHALLENGE)))
    const asked = ask()
    await clock.advance(1_000)
    assert.equal(await asked, 'allowed')
    await clock.advance(5_000)
    assert.equal(anonymous.size, 0)
    const again = ask()
    await clock.advance(3_000)
    assert.equal(await again, 'challenge')
    await gate.stop()
  })

  test('loses that standing when the origin refuses it to a stranger', async () => {
    const { state, clock, anonymous, ask } = gateOver()
    state.answer = async () => PUBLIC
    await ask()
    await clock.advance(61_000)
    state.answer = async () => CHALLENGE
    assert.equal(await ask(), 'challenge')
    assert.equal(anonymous.size, 0)
    state.answer = unreachable
    assert.equal(await ask(), 'unconfirmed')
  })

  test('is not opened for content nobody knows to be in it while the origin is down', async () => {
    const { state, clock, anonymous, ask } = gateOver()
    anonymous.set('team/app', clock.wallTime() - 600_000)
    state.answer = unreachable
    assert.equal(await ask(undefined, BLOB), 'unconfirmed')
  })
})

describe('an origin that cannot be asked', () => {
  test('may be vouched for by a tracker, which is asked only then', async () => {
    let asked = 0
    const { state, clock, ask } = gateOver({}, async () => ++asked > 0)
    assert.equal(await ask('Bearer alice'), 'allowed')
    assert.equal(asked, 0)
    await clock.advance(61_000)
    state.answer = unreachable
    assert.equal(await ask(), 'allowed')
    assert.equal(asked, 1)
  })

  test('has a tracker say of content nobody here knows whether it belongs to the repository', async () => {
    const asked: unknown[] = []
    const { state, ask } = gateOver({}, async (_origin, digest) => asked.push(digest) > 0)
    state.answer = unreachable
    assert.equal(await ask(undefined, BLOB), 'allowed')
    assert.deepEqual(asked, [BLOB.reference])
  })

  test('is unconfirmed when the tracker fails too or says nothing', async () => {
    const failing = gateOver({}, unreachable)
    failing.state.answer = unreachable
    assert.equal(await failing.ask(), 'unconfirmed')
    const mute = gateOver({}, silent)
    mute.state.answer = unreachable
    const asked = mute.ask()
    await mute.clock.advance(1_000)
    assert.equal(await asked, 'unconfirmed')
  })

  test('is waited for when it is only slow', async () => {
    const { state, clock, ask } = gateOver()
    state.answer = async () => await new Promise((resolve) => void clock.after(4_000, () => resolve(PRIVATE)))
    const asked = ask('Bearer alice')
    await clock.advance(4_000)
    assert.equal(await asked, 'allowed')
  })
})

describe('asking', () => {
  test('is done once for all who ask the same at the same time, and ends when the last has gone', async () => {
    const { gate, state } = gateOver()
    state.answer = silent
    const callers = [new AbortController(), new AbortController()]
    const asked = callers.map(({ signal }) => gate.check(ORIGIN, TAG, 'Bearer alice', { signal }))
    const results = Promise.allSettled(asked)
    await settle()
    assert.equal(state.probes.length, 1)
    callers[0]?.abort()
    await settle()
    assert.equal(state.aborted, 0)
    callers[1]?.abort()
    await results
    assert.equal(state.aborted, 1)
  })

  test('is not done for a namespace that is open to all who reach the mirror', async () => {
    const { state, ask } = gateOver({ policyOf: () => 'open' })
    assert.equal(await ask(), 'allowed')
    assert.equal(state.probes.length, 0)
  })

  test('is done again for a caller that was pushed out of the memory', async () => {
    const { state, ask } = gateOver({ maxEntries: 2 })
    for (const caller of ['a', 'b', 'a']) await ask(caller)
    assert.equal(state.probes.length, 3)
  })
})
