import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type CompletionView, decide, restMs } from '../../../src/completion/policy.ts'

function view(changes: Partial<CompletionView>): CompletionView {
  const activity = { lazyWaiting: 0, lastLazyWaitMs: undefined, pulls: 0 }
  return { nowMs: 100_000, mode: 'idle', quietMs: 10_000, activity, queuedMs: 90_000, ...changes }
}

function busy(changes: Partial<CompletionView['activity']>): CompletionView['activity'] {
  return { lazyWaiting: 0, lastLazyWaitMs: undefined, pulls: 0, ...changes }
}

describe('when a layer is completed', () => {
  it('begins where nobody has waited yet', () => {
    assert.deepEqual(decide(view({})), { isGo: true })
  })

  it('waits until no reader has waited for the time that is set', () => {
    const activity = busy({ lastLazyWaitMs: 94_000 })
    assert.deepEqual(decide(view({ activity })), { isGo: false, because: 'quiet', askAgainMs: 4_000 })
    assert.deepEqual(decide(view({ activity, nowMs: 104_000 })), { isGo: true })
  })

  it('does not wait for silence when it is to begin at once', () => {
    assert.deepEqual(decide(view({ mode: 'now', activity: busy({ lastLazyWaitMs: 99_999 }) })), { isGo: true })
  })

  it('fetches nothing while a reader waits or a pull goes on, however it is set', () => {
    for (const mode of ['idle', 'now'] as const) {
      const [readers, pulls] = [busy({ lazyWaiting: 1 }), busy({ pulls: 1 })]
      assert.partialDeepStrictEqual(decide(view({ mode, activity: readers })), { isGo: false, because: 'readers' })
      assert.partialDeepStrictEqual(decide(view({ mode, activity: pulls })), { isGo: false, because: 'pulls' })
    }
  })

  it('waits for silence for ten minutes at most, since on a busy node it never comes', () => {
    const activity = busy({ lastLazyWaitMs: 699_999 })
    assert.equal(decide(view({ nowMs: 689_999 + 10_000, activity })).isGo, true)
    assert.equal(decide(view({ nowMs: 689_999, activity: busy({ lastLazyWaitMs: 689_000 }) })).isGo, false)
    assert.equal(decide(view({ nowMs: 700_000, activity: busy({ lazyWaiting: 1 }) })).isGo, false)
  })

  it('rests as long as a step took, so that half of the link is left, and never less than a fifth of a second', () => {
    assert.deepEqual([restMs('idle', 3_000), restMs('idle', 10), restMs('now', 3_000)], [3_000, 200, 0])
  })
})
