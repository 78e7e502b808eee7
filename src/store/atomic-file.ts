import { dirname } from 'node:path'
import type { FileSystem } from './file-system.ts'

/** Ending of a file that is being written; whatever has it after a start is a left-over. */
export const TEMPORARY_SUFFIX = '.tmp'

export interface AtomicWriteOptions {
  /** Whether the file must survive a loss of power once this resolves; without it, it may then be absent, empty or torn. */
  readonly isDurable: boolean
}

/** Writes a file that is seen whole or not at all: temporary file, then rename. */
export async function writeAtomic(
  files: FileSystem,
  path: string,
  bytes: Uint8Array,
  options: AtomicWriteOptions,
): Promise<void> {
  const temporary = path + TEMPORARY_SUFFIX
  try {
    await writeNew(files, temporary, bytes, options)
    await files.rename(temporary, path)
  } catch (error) {
    await files.remove(temporary).catch(() => {})
    throw error
  }
  if (options.isDurable) await files.syncDirectory(dirname(path))
}

async function writeNew(
  files: FileSystem,
  path: string,
  bytes: Uint8Array,
  options: AtomicWriteOptions,
): Promise<void> {
  const file = await files.openFile(path, 'create')
  try {
    await file.write(bytes, 0)
    if (options.isDurable) await file.sync()
  } finally {
    await file.close()
  }
}
