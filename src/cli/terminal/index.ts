/**
 * Text for people: tables, numbers, progress bars, colours.
 * Promise: plain text wherever nobody is watching; what comes from elsewhere can be made harmless with `printable`.
 * Owns the lines that a `ProgressBoard` has drawn.
 */
export { formatBytes, formatDuration, formatShare, printable, shorten } from './format.ts'
export { bar, type Progress, progressLine } from './progress-bar.ts'
export { ProgressBoard } from './progress-board.ts'
export { type Column, table, widthOf } from './table.ts'
export { processTerminal, type Style, type Terminal } from './terminal.ts'
