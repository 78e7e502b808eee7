import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseContentRange } from '../../../src/origin/content-range.ts'
import { parseRetryAfter } from '../../../src/origin/retry-after.ts'

test('Retry-After is seconds or a date', () => {
  const nowMs = Date.parse('2026-01-01T00:00:00Z')
  assert.equal(parseRetryAfter('120', nowMs), 120_000)
  assert.equal(parseRetryAfter('Thu, 01 Jan 2026 00:00:30 GMT', nowMs), 30_000)
  assert.equal(parseRetryAfter('Wed, 31 Dec 2025 00:00:00 GMT', nowMs), 0)
  assert.equal(parseRetryAfter('999999999', nowMs), 86_400_000)
  for (const value of [undefined, '', ' ', 'soon', '-'])
    assert.equal(parseRetryAfter(value, nowMs), undefined, String(value))
})

test('Content-Range is a part of a whole, or nothing', () => {
  assert.deepEqual(parseContentRange('bytes 0-9/10'), { start: 0, end: 10, totalBytes: 10 })
  assert.deepEqual(parseContentRange('bytes 5-5/*'), { start: 5, end: 6, totalBytes: undefined })
  const bad = [
    undefined,
    '',
    'bytes 0-9',
    'bytes 9-0/10',
    'bytes 0-10/10',
    'bytes */10',
    'items 0-1/2',
    'bytes -1-2/3',
    'bytes 0-9/10, bytes 1-2/10',
  ]
  for (const value of bad) assert.equal(parseContentRange(value), undefined, String(value))
})
