import { LimitsError, parseLimitsChange } from '../config/index.ts'
import { UsageError } from './errors.ts'
import type { LimitsView } from './status-view.ts'
import { type Column, table, type Terminal } from './terminal/index.ts'

type Row = readonly [direction: string, rates: Readonly<Record<string, string>>]

/** Limits as a table, a line for each direction. */
export function limitsText(limits: LimitsView, terminal: Terminal): string {
  const rows: Row[] = Object.entries(limits)
  const names = [...new Set(rows.flatMap(([, rates]) => Object.keys(rates)))]
  const columns: Column<Row>[] = names.map((name) => ({
    header: terminal.paint('dim', name.toUpperCase()),
    value: ([, rates]) => rates[name] ?? '-',
    align: 'right',
  }))
  return table(rows, [{ header: terminal.paint('dim', 'LIMIT'), value: ([direction]) => direction }, ...columns])
}

/** The document that `upload.total=50MiB/s ...` stands for; throws a UsageError that names every mistake. */
export function parseAssignments(assignments: readonly string[]): object {
  const document: Record<string, Record<string, string>> = Object.create(null)
  for (const assignment of assignments) {
    const [, direction, name, rate] = /^([^.=]+)\.([^.=]+)=(.*)$/s.exec(assignment) ?? []
    if (direction === undefined || name === undefined || rate === undefined) {
      throw new UsageError(`${JSON.stringify(assignment)} is no limit and rate, such as upload.total=50MiB/s`)
    }
    const rates = (document[direction] ??= {})
    if (Object.hasOwn(rates, name)) throw new UsageError(`${direction}.${name} is given twice`)
    rates[name] = rate
  }
  try {
    parseLimitsChange(document)
  } catch (error) {
    throw error instanceof LimitsError ? new UsageError(error.message) : error
  }
  return document
}
