import { formatBytes, formatShare } from './format.ts'

/** How far one transfer is. */
export interface Progress {
  readonly label: string
  readonly doneBytes: number
  /** 0 while it is not known. */
  readonly totalBytes: number
  /** Shown at the end of the line. */
  readonly note?: string
}

/** Eighths of a block, so that a bar of 20 columns shows 160 steps. */
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const

/** A bar `width` columns wide, filled to `share` (0 to 1). */
export function bar(share: number, width: number): string {
  const eighths = Math.floor(Math.min(Math.max(Number.isNaN(share) ? 0 : share, 0), 1) * width * 8)
  const filled = '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]
  return filled + '░'.repeat(width - Array.from(filled).length)
}

/** Columns of a bar; with label, numbers and note a line stays under 80. */
const BAR_WIDTH = 20

/** One line about one transfer, cut to `columns`. */
export function progressLine(progress: Progress, columns: number): string {
  const { label, doneBytes, totalBytes, note } = progress
  const share = totalBytes > 0 ? doneBytes / totalBytes : 0
  const numbers = `${formatShare(doneBytes, totalBytes).padStart(5)}  ${formatBytes(doneBytes)} of ${totalBytes > 0 ? formatBytes(totalBytes) : '?'}`
  const line = `${label}  ${bar(share, BAR_WIDTH)} ${numbers}${note === undefined ? '' : `  ${note}`}`
  return Array.from(line)
    .slice(0, Math.max(columns - 1, 10))
    .join('')
}
