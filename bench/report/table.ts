import { table } from '../../src/cli/terminal/index.ts'

/** A table for the terminal; the first row of cells is under the first header. */
export interface Table {
  readonly title: string
  readonly headers: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** The table as text; columns of numbers go right. */
export function renderTable({ title, headers, rows }: Table): string {
  const columns = headers.map((header, index) => ({
    header: header.toUpperCase(),
    value: (row: readonly string[]) => row[index] ?? '',
    align: rows.every((row) => /^([-\d]|$)/.test(row[index] ?? '')) ? ('right' as const) : ('left' as const),
  }))
  return `${title}\n${table(rows, columns)}`
}
