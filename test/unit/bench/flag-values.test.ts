import assert from 'node:assert/strict'
import { test } from 'node:test'
import { choiceOf, countOf, numberOf, parseRate, parseSize, parseUrls } from '../../../bench/flag-values.ts'

test('sizes have units of 1024 or of 1000', () => {
  assert.equal(parseSize('256MiB'), 256 * 1024 * 1024)
  assert.equal(parseSize('1.5GiB'), 1.5 * 1024 ** 3)
  assert.equal(parseSize('500kB'), 500_000)
  assert.equal(parseSize('7B'), 7)
})

test('rates are bits per second with decimal units, as tc has them', () => {
  assert.equal(parseRate('100mbit'), 100e6)
  assert.equal(parseRate('2.5gbit'), 2.5e9)
  assert.equal(parseRate('64kbit'), 64_000)
})

test('what is not a size or a rate is refused', () => {
  for (const text of ['', '256', 'MiB', '-1MiB', '1mib', '1 MiB', '1e3MiB', '0B', '1constructor'])
    assert.throws(() => parseSize(text), /expected/, text)
  for (const text of ['', '100', '100MiB', '100Mbit', 'mbit', '0mbit'])
    assert.throws(() => parseRate(text), /expected/, text)
})

test('numbers have limits, and counts no fractions', () => {
  assert.equal(countOf(1, 10)('10'), 10)
  assert.equal(numberOf(0, 5)('2.5'), 2.5)
  for (const text of ['0', '11', '2.5', 'x', '1e1']) assert.throws(() => countOf(1, 10)(text), /from 1 to 10/)
  assert.throws(() => numberOf(0, 5)('6'), /from 0 to 5/)
})

test('choices and URLs are what they say', () => {
  assert.equal(choiceOf('tracker', 'agent')('agent'), 'agent')
  assert.throws(() => choiceOf('tracker', 'agent')('node'), /tracker or agent/)
  assert.deepEqual(
    parseUrls('http://a:1,https://b').map((url) => url.origin),
    ['http://a:1', 'https://b'],
  )
  assert.throws(() => parseUrls('a:1'), /expected URLs/)
})
