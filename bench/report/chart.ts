import { type Axis, axisOver, tickLabel } from './axis.ts'
import { element, escapeXml } from './svg.ts'

/** One chart: bars grouped by label, or lines over a number. */
export interface Chart {
  readonly title: string
  readonly kind: 'bars' | 'lines'
  readonly xLabel: string
  readonly yLabel: string
  readonly series: readonly {
    readonly name: string
    readonly points: readonly { readonly x: string | number; readonly y: number }[]
  }[]
}

/** Pixels of one chart: readable in a page of text and in a terminal's image viewer. */
const WIDTH = 720
const HEIGHT = 340

/** The plot inside the chart: room for title and names above, for ticks and labels on the left and below. */
const PLOT = { left: 70, top: 60, right: WIDTH - 20, bottom: HEIGHT - 55 } as const

/** Grey that can be read on white and on black (4.5 : 1 on either). */
const INK = '#767676'

/** Colours of the series, told apart also by people who see red and green alike (after Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'] as const

/** Share of its group's place that a group of bars fills. */
const GROUP_SHARE = 0.7

/** One SVG document with the charts one below the other, without a background of its own. */
export function renderCharts(charts: readonly Chart[]): string {
  const drawn = charts.map((chart, index) =>
    element('g', { transform: `translate(0 ${index * HEIGHT})` }, renderChart(chart)),
  )
  const height = HEIGHT * charts.length
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${WIDTH} ${height}`,
    width: WIDTH,
    height,
    'font-family': 'system-ui, sans-serif',
    'font-size': 12,
    fill: INK,
  }
  return `${element('svg', attributes, `\n${drawn.join('\n')}\n`)}\n`
}

function renderChart(chart: Chart): string {
  const yAxis = axisOver(
    chart.series.flatMap(({ points }) => points.map(({ y }) => y)),
    true,
  )
  const toY = (value: number): number =>
    PLOT.bottom - ((value - yAxis.min) / (yAxis.max - yAxis.min)) * (PLOT.bottom - PLOT.top)
  const marks = chart.kind === 'bars' ? barMarks(chart, toY) : lineMarks(chart, toY)
  return [
    text({ x: PLOT.left, y: 20, 'font-size': 15, 'font-weight': 600 }, chart.title),
    ...legend(chart),
    ...yTicks(yAxis, toY),
    ...marks,
    text({ x: (PLOT.left + PLOT.right) / 2, y: HEIGHT - 12, 'text-anchor': 'middle' }, chart.xLabel),
    text(
      { transform: `translate(16 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)`, 'text-anchor': 'middle' },
      chart.yLabel,
    ),
  ].join('\n')
}

function legend({ series }: Chart): string[] {
  const place = (PLOT.right - PLOT.left) / Math.max(series.length, 1)
  return series.flatMap(({ name }, index) => {
    const x = PLOT.left + index * place
    return [element('rect', { x, y: 34, width: 10, height: 10, fill: colour(index) }), text({ x: x + 15, y: 43 }, name)]
  })
}

function yTicks({ ticks }: Axis, toY: (value: number) => number): string[] {
  return ticks.flatMap((tick) => [
    element('line', {
      x1: PLOT.left,
      x2: PLOT.right,
      y1: toY(tick),
      y2: toY(tick),
      stroke: INK,
      'stroke-opacity': 0.3,
    }),
    text({ x: PLOT.left - 6, y: toY(tick) + 4, 'text-anchor': 'end' }, tickLabel(tick)),
  ])
}

function barMarks({ series }: Chart, toY: (value: number) => number): string[] {
  const labels = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => String(x))))]
  const place = (PLOT.right - PLOT.left) / Math.max(labels.length, 1)
  const width = (place * GROUP_SHARE) / Math.max(series.length, 1)
  const groupStart = (label: string): number =>
    PLOT.left + labels.indexOf(label) * place + (place * (1 - GROUP_SHARE)) / 2
  const bars = series.flatMap(({ points }, index) =>
    points
      .filter(({ y }) => Number.isFinite(y))
      .map(({ x, y }) =>
        element('rect', {
          x: groupStart(String(x)) + index * width,
          y: toY(y),
          width: width * 0.92,
          height: PLOT.bottom - toY(y),
          fill: colour(index),
        }),
      ),
  )
  const names = labels.map((label, index) =>
    text({ x: PLOT.left + (index + 0.5) * place, y: PLOT.bottom + 18, 'text-anchor': 'middle' }, label),
  )
  return [...bars, ...names]
}

function lineMarks({ series }: Chart, toY: (value: number) => number): string[] {
  const xAxis = axisOver(
    series.flatMap(({ points }) => points.map(({ x }) => Number(x))),
    false,
  )
  const toX = (value: number): number =>
    PLOT.left + ((value - xAxis.min) / (xAxis.max - xAxis.min)) * (PLOT.right - PLOT.left)
  const lines = series.map(({ points }, index) => {
    const places = points
      .filter(({ y }) => Number.isFinite(y))
      .map(({ x, y }) => `${toX(Number(x)).toFixed(1)},${toY(y).toFixed(1)}`)
    return element('polyline', { points: places.join(' '), fill: 'none', stroke: colour(index), 'stroke-width': 2 })
  })
  const names = xAxis.ticks.map((tick) =>
    text({ x: toX(tick), y: PLOT.bottom + 18, 'text-anchor': 'middle' }, tickLabel(tick)),
  )
  return [...lines, ...names]
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length] ?? INK
}

function text(attributes: Readonly<Record<string, string | number>>, content: string): string {
  return element('text', attributes, escapeXml(content))
}
