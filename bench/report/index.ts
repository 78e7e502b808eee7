/** What measurements look like: statistics over runs, tables for the terminal, charts as SVG, documents as JSON. */
export { type Bar, barLine, isKept } from './bars.ts'
export { type Chart, renderCharts } from './chart.ts'
export { describeMachine, type Machine } from './machine.ts'
export { renderTable, type Table } from './table.ts'
export { median, percentile, spreadOf } from './statistics.ts'
