import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  changedLimits,
  formatRate,
  LimitsError,
  limitsDocument,
  parseLimitsChange,
  parseRate,
} from '../../../src/config/index.ts'
import { UNLIMITED } from '../../../src/util/index.ts'

const MIB = 1024 * 1024
const NONE = { upload: UNLIMITED, download: UNLIMITED, origin: UNLIMITED }

/** The lines of what is refused. */
function problemsOf(document: unknown): string[] {
  try {
    parseLimitsChange(document)
  } catch (error) {
    assert.ok(error instanceof LimitsError)
    return error.message.split('\n')
  }
  assert.fail('it was accepted')
}

describe('a rate', () => {
  it('is bytes or bits a second, or unlimited', () => {
    assert.equal(parseRate('50MiB/s'), 50 * MIB)
    assert.equal(parseRate(' 1.5 MB/s '), 1.5e6)
    assert.equal(parseRate('800mbit'), 100e6)
    assert.equal(parseRate('2.5 Gbit'), 312.5e6)
    assert.equal(parseRate('unlimited'), Number.POSITIVE_INFINITY)
  })

  it('has a unit, a time, and no less than lets a chunk through in time', () => {
    for (const text of ['', '0', '50', '50MiB', '50/s', '50 mb', '10mbit/s', '1kbit', '63KiB/s', '-1MiB/s', 'none']) {
      assert.equal(parseRate(text), undefined, text)
    }
  })

  it('is written so that it reads the same', () => {
    for (const rate of [64 * 1024, 50 * MIB, 100e6, 123_457, Number.POSITIVE_INFINITY]) {
      assert.equal(parseRate(formatRate(rate)), rate)
    }
  })
})

describe('a change of limits', () => {
  it('touches only what it names', () => {
    const first = changedLimits(NONE, parseLimitsChange({ upload: { total: '50MiB/s' }, origin: { pull: '8mbit' } }))
    const second = changedLimits(first, parseLimitsChange({ upload: { lazy: '1MiB/s', total: 'unlimited' } }))
    assert.deepEqual(second, {
      upload: { ...UNLIMITED, lazy: MIB },
      download: UNLIMITED,
      origin: { ...UNLIMITED, pull: 1e6 },
    })
  })

  it('may be all that is in force, which changes nothing', () => {
    const limits = changedLimits(NONE, parseLimitsChange({ download: { background: '123457B/s' } }))
    assert.deepEqual(changedLimits(limits, parseLimitsChange(limitsDocument(limits))), limits)
  })

  it('is refused with every mistake named and the right spelling hinted at', () => {
    assert.deepEqual(problemsOf({ upload: { totl: '1MiB/s', lazy: 5 }, orign: {} }), [
      'upload.lazy: expected a rate such as 50MiB/s, 800mbit (at least 64KiB/s) or unlimited, got 5',
      'upload.totl: no such limit; did you mean upload.total?',
      'orign: no such limit; there are upload.total, upload.lazy, upload.pull, upload.background, download.total, download.lazy, download.pull, download.background, origin.total, origin.lazy, origin.pull, origin.background',
    ])
    assert.deepEqual(problemsOf({ upload: { total: null } }), [
      'upload.total: expected a rate such as 50MiB/s, 800mbit (at least 64KiB/s) or unlimited, got null',
    ])
    for (const empty of [{}, { upload: {} }])
      assert.deepEqual(problemsOf(empty), ['no limit is named; one is upload.total'])
    for (const wrong of [null, [], 'upload', { upload: '50MiB/s' }])
      assert.match(problemsOf(wrong)[0] ?? '', /expected a section/)
  })

  it('with a thousand mistakes is refused in few lines', () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`x${i}`.padEnd(500, 'y'), {}]))
    assert.ok(problemsOf(many).join('\n').length < 4000)
  })
})
