import { randomBytes } from 'node:crypto'
import { link, mkdir, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { KeyFileError } from './errors.ts'

/** Both kinds of key take under 200 characters; anything much longer is some other file. */
const MAX_KEY_FILE_BYTES = 4096

/** The trimmed text of a key file; throws a KeyFileError that names the path and the reason. */
export async function readKeyFile(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r')
    const buffer = Buffer.alloc(MAX_KEY_FILE_BYTES + 1)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    if (bytesRead > MAX_KEY_FILE_BYTES) throw new KeyFileError(path, 'invalid', 'the file is too long to be a key')
    return buffer.toString('utf8', 0, bytesRead).trim()
  } catch (error) {
    throw toKeyFileError(path, error)
  }
}

/**
 * Creates a key file readable by its owner only, with all of `text` or not at all, and never over an existing file:
 * the bytes are synced under another name first, and a hard link, unlike a rename, fails where the name is taken.
 */
export async function createKeyFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeSynced(temporary, `${text}\n`)
    try {
      await link(temporary, path)
    } finally {
      await unlink(temporary)
    }
    await syncFolder(dirname(path))
  } catch (error) {
    throw toKeyFileError(path, error)
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  await file.writeFile(text)
  await file.sync()
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}

function toKeyFileError(path: string, error: unknown): unknown {
  if (error instanceof KeyFileError || !(error instanceof Error)) return error
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return new KeyFileError(path, 'missing', 'no such file', error)
  if (code === 'EEXIST') return new KeyFileError(path, 'exists', 'exists already and is not overwritten', error)
  return new KeyFileError(path, 'io', error.message, error)
}
