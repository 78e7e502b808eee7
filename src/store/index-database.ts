import { rmSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import type { Logger } from '../telemetry/index.ts'

/** One row as SQLite gives it. */
export type Row = Record<string, SQLOutputValue>

/** Of the tables below; another version is thrown away and built anew. */
const SCHEMA_VERSION = 1

const SCHEMA = `
  CREATE TABLE blobs (digest TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, is_complete INTEGER NOT NULL,
    bytes_on_disk INTEGER NOT NULL, last_used_ms INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE documents (digest TEXT PRIMARY KEY, last_used_ms INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE tags (namespace TEXT, repository TEXT, tag TEXT, digest TEXT NOT NULL, media_type TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, checked_at_ms INTEGER NOT NULL, PRIMARY KEY (namespace, repository, tag));
  CREATE INDEX tags_by_age ON tags (checked_at_ms);
  CREATE TABLE history (digest TEXT, namespace TEXT, repository TEXT, size_bytes INTEGER, media_type TEXT,
    noted_at_ms INTEGER NOT NULL, PRIMARY KEY (digest, namespace, repository));
  CREATE INDEX history_by_age ON history (noted_at_ms);
  CREATE TABLE access (namespace TEXT, repository TEXT, confirmed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (namespace, repository));
  CREATE INDEX access_by_age ON access (confirmed_at_ms);
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/**
 * The SQLite index. It speeds up a start and remembers what can be lost; the files are the truth. So it is not synced,
 * it is thrown away when it is damaged, and a statement that fails is logged and counts as having found nothing.
 */
export class IndexDatabase {
  readonly #database: DatabaseSync
  readonly #logger: Logger
  readonly #statements = new Map<string, StatementSync>()
  #isClosed = false

  /** Opens the index at `path`, or builds an empty one where there is none or it cannot be used. */
  constructor(path: string, logger: Logger) {
    this.#logger = logger
    this.#database = openSound(path) ?? rebuild(path, logger)
  }

  /** Rows that `sql` selects. `sql` is a constant: its statement is kept. */
  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#attempt(sql, () => this.#prepare(sql).all(...values)) ?? []
  }

  run(sql: string, ...values: SQLInputValue[]): void {
    this.#attempt(sql, () => this.#prepare(sql).run(...values))
  }

  /** Runs `work` as one change. */
  transaction(work: () => void): void {
    this.#attempt('BEGIN', () => this.#database.exec('BEGIN'))
    work()
    this.#attempt('COMMIT', () => this.#database.exec('COMMIT'))
  }

  /** Nothing is noted or found any more. */
  close(): void {
    this.#attempt('close', () => this.#database.close())
    this.#isClosed = true
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #attempt<T>(sql: string, work: () => T): T | undefined {
    if (this.#isClosed) return undefined
    try {
      return work()
    } catch (error) {
      this.#logger.warn({ err: error, sql }, 'store index failed')
      return undefined
    }
  }
}

function openSound(path: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined
  try {
    database = openTuned(path)
    const version = database.prepare('PRAGMA user_version').get()?.['user_version']
    const check = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check']
    if (version === SCHEMA_VERSION && check === 'ok') return database
  } catch {
    // Not a database, or a damaged one: the same as none.
  }
  database?.close()
  return undefined
}

function rebuild(path: string, logger: Logger): DatabaseSync {
  try {
    return buildOnDisk(path, logger)
  } catch (error) {
    return inMemory(error, logger)
  }
}

function buildOnDisk(path: string, logger: Logger): DatabaseSync {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
  logger.info('built a new store index')
  const database = openTuned(path)
  database.exec(SCHEMA)
  return database
}

/** For a disk that has not even room for the index. */
function inMemory(error: unknown, logger: Logger): DatabaseSync {
  logger.warn({ err: error }, 'could not build the store index on disk, keeping it in memory')
  const database = new DatabaseSync(':memory:')
  database.exec(SCHEMA)
  return database
}

function openTuned(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -1024')
  return database
}
