import { stripVTControlCharacters } from 'node:util'

export interface Column<Row> {
  readonly header: string
  readonly value: (row: Row) => string
  /** Numbers go right. Default: left. */
  readonly align?: 'left' | 'right'
}

/** Rows under headers in columns as wide as their widest cell, each line ended. Colours in cells do not disturb the columns. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const lines = [
    columns.map((column) => column.header),
    ...rows.map((row) => columns.map((column) => column.value(row))),
  ]
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => widthOf(line[index] ?? ''))))
  const padded = lines.map((line) =>
    line
      .map((cell, index) => pad(cell, widths[index] ?? 0, columns[index]?.align ?? 'left'))
      .join('  ')
      .trimEnd(),
  )
  return `${padded.join('\n')}\n`
}

/** Columns that `text` takes on a terminal, colours aside; every character counts as one wide. */
export function widthOf(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length
}

function pad(cell: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(cell)))
  return align === 'left' ? cell + space : space + cell
}
