import assert from 'node:assert/strict'
import { test } from 'node:test'
import { axisOver, tickLabel } from '../../../bench/report/axis.ts'
import { barLine, isKept, median, renderCharts, renderTable, spreadOf } from '../../../bench/report/index.ts'
import { escapeXml } from '../../../bench/report/svg.ts'

test('the median is the middle, or the mean of two middles', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 3]), 2.5)
  assert.ok(Number.isNaN(median([])))
  assert.deepEqual(spreadOf([2, 5, 1]), { min: 1, max: 5 })
})

test('a bar is kept up to its limit, and missed by what could not be measured', () => {
  assert.ok(isKept({ figure: 'a', atMost: 1.05, measured: 1.05 }))
  assert.ok(!isKept({ figure: 'a', atMost: 1.05, measured: 1.06 }))
  assert.ok(!isKept({ figure: 'a', atMost: 1.05, measured: Number.NaN }))
  assert.ok(!isKept({ figure: 'a', equals: 0, measured: 1 }))
  assert.match(
    barLine({ figure: 'originRatio', atMost: 1.05, measured: 2 }),
    /^MISSED {2}originRatio 2 \(at most 1.05\)$/,
  )
})

test('axes have round ticks around all values', () => {
  assert.deepEqual(axisOver([3, 47], true).ticks, [0, 10, 20, 30, 40, 50])
  assert.deepEqual(axisOver([0], true).ticks.length > 1, true)
  assert.deepEqual(axisOver([], true).min, 0)
  assert.deepEqual([0.5, 20, 25_000, 1.5e6, 2e9].map(tickLabel), ['0.5', '20', '25k', '1.5M', '2G'])
})

test('names from outside cannot break out of an SVG', () => {
  assert.equal(escapeXml('a<b>&"c"\u0000'), 'a&#60;b&#62;&#38;&#34;c&#34;?')
  const point = { x: '<script>', y: 1 }
  const chart = {
    title: '</svg>',
    kind: 'bars',
    xLabel: '"',
    yLabel: '&',
    series: [{ name: '<b>', points: [point] }],
  } as const
  const svg = renderCharts([
    chart,
    {
      ...chart,
      kind: 'lines',
      series: [
        {
          name: 'l',
          points: [
            { x: 1, y: Number.NaN },
            { x: 2, y: 3 },
          ],
        },
      ],
    },
  ])
  assert.ok(!/<script|<b>|NaN/.test(svg), svg)
  assert.equal(svg.match(/<\/svg>/g)?.length, 1)
})

test('numbers stand on the right of their column', () => {
  const text = renderTable({
    title: 'T',
    headers: ['name', 'seconds'],
    rows: [
      ['long name', '1.5 s'],
      ['b', '12.5 s'],
    ],
  })
  assert.equal(text, 'T\nNAME       SECONDS\nlong name    1.5 s\nb           12.5 s\n')
})
