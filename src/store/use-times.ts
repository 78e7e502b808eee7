import type { Digest } from '../core/index.ts'
import type { BlobState } from './blob-state.ts'
import type { DocumentEntry } from './document-store.ts'
import type { IndexDatabase } from './index-database.ts'

/** Remembers across restarts when blobs and documents were last used, and shows in the index what is stored. */
export class UseTimes {
  readonly #database: IndexDatabase

  constructor(database: IndexDatabase) {
    this.#database = database
  }

  blob(digest: Digest): number | undefined {
    return lastUsed(this.#database.all('SELECT last_used_ms FROM blobs WHERE digest = ?', digest))
  }

  document(digest: Digest): number | undefined {
    return lastUsed(this.#database.all('SELECT last_used_ms FROM documents WHERE digest = ?', digest))
  }

  /** Notes one blob as it is now. */
  note(blob: BlobState): void {
    this.#database.run(
      'INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?)',
      ...[blob.ref.digest, blob.ref.sizeBytes, blob.isComplete ? 1 : 0, blob.bytesOnDisk, Math.floor(blob.lastUsedMs)],
    )
  }

  /** Replaces everything by what the store has. */
  replaceAll(blobs: Iterable<BlobState>, documents: Iterable<DocumentEntry>): void {
    this.#database.transaction(() => {
      this.#database.run('DELETE FROM blobs')
      this.#database.run('DELETE FROM documents')
      for (const blob of blobs) this.note(blob)
      for (const { digest, lastUsedMs } of documents) {
        this.#database.run('INSERT INTO documents VALUES (?, ?)', digest, Math.floor(lastUsedMs))
      }
    })
  }
}

function lastUsed(rows: readonly Record<string, unknown>[]): number | undefined {
  const [row] = rows
  return row === undefined ? undefined : Number(row['last_used_ms'])
}
