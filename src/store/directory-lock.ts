import { readFileSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { StoreFailedError, StoreLockedError } from './errors.ts'
import type { StorePaths } from './paths.ts'

/** SQLITE_BUSY: somebody else has the file locked. */
const SQLITE_BUSY = 5

/**
 * Keeps other processes out of the store's directory. The lock is SQLite's file lock on an empty database: the kernel
 * gives it up when the process ends however it ends, and it holds between containers that share the directory, where a
 * process id says nothing (each agent is number 1 in its own container).
 */
export class DirectoryLock {
  readonly #database: DatabaseSync

  /** Throws a StoreLockedError when another process, or another store in this one, holds it; a StoreFailedError when its file is of no use. */
  constructor(dir: string, paths: StorePaths) {
    try {
      this.#database = lockedDatabase(paths.lock)
    } catch (error) {
      if (isBusy(error)) throw new StoreLockedError(dir, ownerOf(paths), error)
      throw new StoreFailedError(`${paths.lock} cannot be locked: ${String(error)}`, error)
    }
    leaveName(paths)
  }

  release(): void {
    this.#database.close()
  }
}

function lockedDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY
}

/** Only for the message of whoever is kept out; a full disk is no reason not to start. */
function leaveName(paths: StorePaths): void {
  try {
    writeFileSync(paths.lockOwner, `${process.pid}\n`)
  } catch {
    return
  }
}

function ownerOf(paths: StorePaths): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(paths.lockOwner, 'utf8'), 10)
    return Number.isInteger(pid) ? pid : undefined
  } catch {
    return undefined
  }
}
