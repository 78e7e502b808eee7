import { LRUCache } from 'lru-cache'
import { type Clock, type Digest, type OriginRef, parseDigest } from '../core/index.ts'
import type { IndexDatabase, Row } from './index-database.ts'

/** What a tag pointed to when the origin was last asked. */
export interface TagNote {
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  /** Epoch milliseconds. */
  readonly checkedAtMs: number
}

/** A place where a digest was seen. */
export interface SeenAt extends OriginRef {
  readonly sizeBytes?: number
  readonly mediaType?: string
}

/** Most rows of each sort; about 300 bytes each, so 30 MB in all. A node sees some thousands. */
const MAX_NOTES = 50_000

/** Most places given for one digest: the base layers of common images are in hundreds of repositories, and a caller tries a few. */
const MAX_PLACES = 16

/**
 * Digests whose places are also kept in memory, a few hundred bytes each: a lazy snapshotter names no registry, and each of its
 * small reads looks for them three times.
 */
const MAX_RECALLED = 1_000

/** Notes between two counts of a table: counting is not free, and so many too many do no harm. */
const TRIM_EVERY = 512

interface NoteTable {
  readonly table: 'tags' | 'history' | 'access'
  readonly time: string
}

const TAGS: NoteTable = { table: 'tags', time: 'checked_at_ms' }
const HISTORY: NoteTable = { table: 'history', time: 'noted_at_ms' }
const ACCESS: NoteTable = { table: 'access', time: 'confirmed_at_ms' }

export interface OriginNotesComponents {
  readonly database: IndexDatabase
  readonly clock: Clock
}

/** What was learnt of origins and may be lost: tags, where digests were seen, what anybody may read. The oldest notes go first. */
export class OriginNotes {
  readonly #database: IndexDatabase
  readonly #clock: Clock
  readonly #maxNotes: number
  readonly #sinceTrim = new Map<NoteTable, number>()
  readonly #recalled = new LRUCache<Digest, readonly SeenAt[]>({ max: MAX_RECALLED })

  constructor(components: OriginNotesComponents, maxNotes: number = MAX_NOTES) {
    this.#database = components.database
    this.#clock = components.clock
    this.#maxNotes = maxNotes
    for (const table of [TAGS, HISTORY, ACCESS]) this.#trim(table)
  }

  putTag(origin: OriginRef, tag: string, note: TagNote): void {
    this.#database.run(
      'INSERT OR REPLACE INTO tags VALUES (?, ?, ?, ?, ?, ?, ?)',
      ...[origin.namespace, origin.repository, tag, note.digest, note.mediaType, note.sizeBytes, note.checkedAtMs],
    )
    this.#noted(TAGS)
  }

  getTag(origin: OriginRef, tag: string): TagNote | undefined {
    const sql = 'SELECT * FROM tags WHERE namespace = ? AND repository = ? AND tag = ?'
    const [row] = this.#database.all(sql, origin.namespace, origin.repository, tag)
    const digest = parseDigest(String(row?.['digest']))
    if (row === undefined || digest === undefined) return undefined
    return {
      digest,
      mediaType: String(row['media_type']),
      sizeBytes: Number(row['size_bytes']),
      checkedAtMs: Number(row['checked_at_ms']),
    }
  }

  noteHistory(digest: Digest, seen: SeenAt): void {
    this.#recalled.delete(digest)
    this.#database.run(
      `INSERT INTO history VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET noted_at_ms = excluded.noted_at_ms,
        size_bytes = coalesce(excluded.size_bytes, size_bytes), media_type = coalesce(excluded.media_type, media_type)`,
      ...[
        digest,
        seen.namespace,
        seen.repository,
        seen.sizeBytes ?? null,
        seen.mediaType ?? null,
        this.#clock.wallTime(),
      ],
    )
    this.#noted(HISTORY)
  }

  historyOf(digest: Digest): readonly SeenAt[] {
    const recalled = this.#recalled.get(digest)
    if (recalled !== undefined) return recalled
    const sql = 'SELECT * FROM history WHERE digest = ? ORDER BY noted_at_ms DESC, rowid DESC LIMIT ?'
    const places = this.#database.all(sql, digest, MAX_PLACES).map(seenAt)
    // An index that failed says nothing either; that is not worth remembering.
    if (places.length > 0) this.#recalled.set(digest, places)
    return places
  }

  noteAccess(origin: OriginRef): void {
    const sql = 'INSERT OR REPLACE INTO access VALUES (?, ?, ?)'
    this.#database.run(sql, origin.namespace, origin.repository, this.#clock.wallTime())
    this.#noted(ACCESS)
  }

  forgetAccess(origin: OriginRef): void {
    this.#database.run('DELETE FROM access WHERE namespace = ? AND repository = ?', origin.namespace, origin.repository)
  }

  access(origin: OriginRef): number | undefined {
    const sql = 'SELECT confirmed_at_ms FROM access WHERE namespace = ? AND repository = ?'
    const [row] = this.#database.all(sql, origin.namespace, origin.repository)
    return row === undefined ? undefined : Number(row['confirmed_at_ms'])
  }

  #noted(table: NoteTable): void {
    const count = (this.#sinceTrim.get(table) ?? 0) + 1
    this.#sinceTrim.set(table, count)
    if (count >= TRIM_EVERY) this.#trim(table)
  }

  #trim(note: NoteTable): void {
    this.#sinceTrim.set(note, 0)
    if (note === HISTORY) this.#recalled.clear()
    const { table, time } = note
    this.#database.run(
      `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} ORDER BY ${time}, rowid
        LIMIT max(0, (SELECT count(*) FROM ${table}) - ?))`,
      this.#maxNotes,
    )
  }
}

function seenAt(row: Row): SeenAt {
  const { size_bytes: sizeBytes, media_type: mediaType } = row
  return {
    namespace: String(row['namespace']),
    repository: String(row['repository']),
    ...(typeof sizeBytes === 'number' ? { sizeBytes } : {}),
    ...(typeof mediaType === 'string' ? { mediaType } : {}),
  }
}
