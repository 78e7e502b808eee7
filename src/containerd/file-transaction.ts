import { mkdir, rmdir } from 'node:fs/promises'
import { type AbortOptions, isAbort } from '../core/index.ts'
import { ContainerdEditedError, ContainerdFilesError } from './errors.ts'
import { type FileState, isSameContent, putState, readState } from './file-state.ts'

/** Changes to files and folders that are all made or all taken back. */
export interface FileChanges {
  /** Puts `to` at `path`, if what is there still is `from`. */
  put(path: string, from: FileState, to: FileState): Promise<void>
  /** Makes a folder with those above it; says which is the topmost one that is new, `undefined` if none is. */
  makeFolder(path: string): Promise<string | undefined>
  /** Removes a folder if it is empty; says whether it did. */
  removeFolder(path: string): Promise<boolean>
}

/**
 * Runs `work`; when it throws or `signal` fires, takes back in reverse order what it had done and throws.
 * Throws `ContainerdEditedError` when a file is no longer what it was read as, else `ContainerdFilesError` for a failing disk.
 */
export async function inTransaction(
  work: (changes: FileChanges) => Promise<void>,
  { signal }: AbortOptions,
): Promise<void> {
  const undo: (() => Promise<void>)[] = []
  try {
    signal?.throwIfAborted()
    await work(changesThat(undo, signal))
  } catch (error) {
    const lost = await takeBack(undo)
    if (lost.length > 0)
      throw new ContainerdFilesError(`${messageOf(error)}; could not take back: ${lost.join(', ')}`, error)
    if (signal?.aborted === true || isAbort(error) || error instanceof ContainerdEditedError) throw error
    throw new ContainerdFilesError(messageOf(error), error)
  }
}

function changesThat(undo: (() => Promise<void>)[], signal: AbortSignal | undefined): FileChanges {
  return {
    async put(path, from, to) {
      signal?.throwIfAborted()
      await putState(path, to, async () => {
        if (!isSameContent(await readState(path), from)) throw new ContainerdEditedError([path])
        undo.push(() => putState(path, from))
      })
    },
    async makeFolder(path) {
      signal?.throwIfAborted()
      const first = await mkdir(path, { recursive: true, mode: 0o755 })
      if (first !== undefined) undo.push(() => removeBetween(path, first))
      return first
    },
    async removeFolder(path) {
      signal?.throwIfAborted()
      const isRemoved = await removeIfEmpty(path)
      if (isRemoved) undo.push(async () => await mkdir(path))
      return isRemoved
    },
  }
}

async function takeBack(undo: (() => Promise<void>)[]): Promise<string[]> {
  const lost: string[] = []
  for (const step of undo.toReversed()) {
    try {
      await step()
    } catch (error) {
      lost.push(messageOf(error))
    }
  }
  return lost
}

async function removeBetween(path: string, first: string): Promise<void> {
  for (let folder = path; folder.length >= first.length; folder = folder.slice(0, folder.lastIndexOf('/'))) {
    if (!(await removeIfEmpty(folder))) return
  }
}

/** Somebody may have put something of theirs in it, or have removed it already. */
async function removeIfEmpty(path: string): Promise<boolean> {
  try {
    await rmdir(path)
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOTEMPTY' || code === 'ENOENT' || code === 'EEXIST' || code === 'EBUSY') return false
    throw error
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
