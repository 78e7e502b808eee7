import { type Clock, type Digest, MAX_TRACE_CHUNKS, type StartTrace } from '../core/index.ts'
import type { IndexDatabase } from './index-database.ts'

/** A trace and when it was taken or heard of, epoch milliseconds. */
export interface TraceNote extends StartTrace {
  readonly notedAtMs: number
}

/** Most traces kept: a kilobyte each as a rule, 8 at most. A node sees some thousands of layers. */
const MAX_TRACES = 2_000

const SCHEMA = `CREATE TABLE IF NOT EXISTS traces (digest TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL,
  offsets TEXT NOT NULL, noted_at_ms INTEGER NOT NULL)`

/** Start-up traces by layer. They may be lost; the oldest go first. */
export class TraceNotes {
  readonly #database: IndexDatabase
  readonly #clock: Clock
  readonly #maxTraces: number

  constructor(components: { readonly database: IndexDatabase; readonly clock: Clock }, maxTraces = MAX_TRACES) {
    this.#database = components.database
    this.#clock = components.clock
    this.#maxTraces = maxTraces
    // Not part of the index's own schema, whose next version would throw everything away that this one knows.
    this.#database.run(SCHEMA)
  }

  put(digest: Digest, { sizeBytes, offsets }: StartTrace): void {
    const sql = 'INSERT OR REPLACE INTO traces VALUES (?, ?, ?, ?)'
    this.#database.run(sql, digest, sizeBytes, JSON.stringify(offsets), this.#clock.wallTime())
    this.#database.run(
      `DELETE FROM traces WHERE digest IN (SELECT digest FROM traces ORDER BY noted_at_ms, rowid
        LIMIT max(0, (SELECT count(*) FROM traces) - ?))`,
      this.#maxTraces,
    )
  }

  get(digest: Digest): TraceNote | undefined {
    const [row] = this.#database.all('SELECT * FROM traces WHERE digest = ?', digest)
    const offsets = row === undefined ? undefined : offsetsOf(String(row['offsets']))
    if (row === undefined || offsets === undefined) return undefined
    return { sizeBytes: Number(row['size_bytes']), offsets, notedAtMs: Number(row['noted_at_ms']) }
  }
}

function offsetsOf(text: string): number[] | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    const isSound = Array.isArray(parsed) && parsed.length <= MAX_TRACE_CHUNKS && parsed.every(Number.isSafeInteger)
    return isSound ? (parsed as number[]) : undefined
  } catch {
    return undefined
  }
}
