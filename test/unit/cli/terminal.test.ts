import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  bar,
  formatBytes,
  formatDuration,
  formatShare,
  ProgressBoard,
  printable,
  progressLine,
  shorten,
  table,
  widthOf,
} from '../../../src/cli/terminal/index.ts'
import { RecordedTerminal } from '../../support/recorded-terminal.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

describe('numbers for people', () => {
  it('writes bytes with three digits and never a fourth', () => {
    const cases: [number, string][] = [
      [0, '0 B'],
      [999, '999 B'],
      [1000, '1.00 kB'],
      [999_499, '999 kB'],
      [999_500, '1.00 MB'],
      [53_196_270, '53.2 MB'],
      [1.4e9, '1.40 GB'],
      [9e18, '9000 PB'],
    ]
    for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text.replace('9000 PB', '9.00e+3 PB'))
  })

  it('writes durations in the two units that matter', () => {
    const cases: [number, string][] = [
      [0.2123, '0.21 s'],
      [12.44, '12.4 s'],
      [185, '3 min 5 s'],
      [7800, '2 h 10 min'],
      [356_400, '4 d 3 h'],
    ]
    for (const [seconds, text] of cases) assert.equal(formatDuration(seconds), text)
  })

  it('says 100 % of nothing but the whole, and 0 % of nothing but nothing', () => {
    assert.equal(formatShare(999_999, 1_000_000), '99 %')
    assert.equal(formatShare(1, 1_000_000), '0.1 %')
    assert.equal(formatShare(0, 10), '0 %')
    assert.equal(formatShare(10, 10), '100 %')
    assert.equal(formatShare(0, 0), '-')
  })

  it('makes text from elsewhere harmless', () => {
    assert.equal(printable('a\u001b[31mb\u0007\n\u202ec'), 'a?[31mb???c')
    assert.equal(shorten('12D3KooWDJpLYEHxPwSFbUMqandnsFobrwPnPAZMqi2a7VwJPsvH', 16), '12D3KooW…VwJPsvH')
    assert.equal(shorten('short', 16), 'short')
  })
})

describe('a table', () => {
  it('is as wide as its widest cells, colours aside', () => {
    const rows = [
      { name: '\u001b[32mgreen\u001b[39m', size: '1' },
      { name: 'x', size: '1000' },
    ]
    const text = table(rows, [
      { header: 'NAME', value: (row) => row.name },
      { header: 'SIZE', value: (row) => row.size, align: 'right' },
    ])
    assert.equal(text, 'NAME   SIZE\n\u001b[32mgreen\u001b[39m     1\nx      1000\n')
  })
})

describe('a progress bar', () => {
  it('always has its width, whatever the share', () => {
    fc.assert(fc.property(fc.double(), fc.nat(60), (share, width) => assert.equal(widthOf(bar(share, width)), width)))
  })

  it('fits into the terminal', () => {
    const progress = { label: 'a'.repeat(60), doneBytes: 1, totalBytes: 3, note: 'b'.repeat(60) }
    assert.equal(widthOf(progressLine(progress, 80)), 79)
  })
})

describe('a board of progress bars', () => {
  it('draws over itself on a terminal, at most ten times a second', async () => {
    const clock = new VirtualClock()
    const terminal = new RecordedTerminal({ isInteractive: true })
    const board = new ProgressBoard(terminal, clock)
    for (let done = 0; done <= 50; done++) board.set('a', { label: 'layer', doneBytes: done, totalBytes: 100 })
    assert.equal(terminal.output, '')
    await clock.advance(100)
    assert.match(terminal.plainOutput, /^layer .* 50 % {2}50 B of 100 B\n$/)
    board.set('a', { label: 'layer', doneBytes: 100, totalBytes: 100 })
    board.stop()
    assert.ok(terminal.output.includes('\u001b[1A\u001b[0Jlayer'))
    assert.equal(clock.pendingCount, 0)
  })

  it('writes a line for each complete transfer where nobody watches', () => {
    const terminal = new RecordedTerminal()
    const board = new ProgressBoard(terminal, new VirtualClock())
    board.log('image')
    for (const done of [1, 2, 3, 3]) board.set('a', { label: 'layer', doneBytes: done, totalBytes: 3 })
    board.stop()
    assert.equal(terminal.output, 'image\nlayer  3 B  done\n')
  })

  it('counts what does not fit on the screen', async () => {
    const clock = new VirtualClock()
    const terminal = new RecordedTerminal({ isInteractive: true, rows: 5 })
    const board = new ProgressBoard(terminal, clock)
    for (let id = 0; id < 10; id++) board.set(String(id), { label: `layer-${id}`, doneBytes: id, totalBytes: 9 })
    board.stop()
    const lines = terminal.plainOutput.trimEnd().split('\n')
    assert.equal(lines[0], '… and 7 more')
    assert.equal(lines.length, 4)
    assert.ok(!terminal.plainOutput.includes('layer-9'), 'the finished one is what is left out')
  })

  it('keeps lines that were logged above the bars', async () => {
    const clock = new VirtualClock()
    const terminal = new RecordedTerminal({ isInteractive: true })
    const board = new ProgressBoard(terminal, clock)
    board.set('a', { label: 'layer', doneBytes: 1, totalBytes: 2 })
    await clock.advance(100)
    board.log('note')
    assert.ok(terminal.output.includes('\u001b[1A\u001b[0Jnote\nlayer'))
  })
})
