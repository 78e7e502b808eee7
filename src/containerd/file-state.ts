import { randomBytes } from 'node:crypto'
import { chmod, chown, lstat, open, readFile, readlink, rename, stat, symlink, unlink } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { digestOf } from '../core/index.ts'

/** What is at a path: enough to put it back exactly. */
export type FileState =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'file'
      readonly bytes: Uint8Array
      readonly mode: number
      readonly uid: number
      readonly gid: number
    }
  /** `bytes` are those of the file it leads to, empty when it leads nowhere. */
  | { readonly kind: 'symlink'; readonly target: string; readonly bytes: Uint8Array }

/** Largest file read; a hosts.toml with a hundred mirrors has 20 KiB. */
const MAX_FILE_BYTES = 1024 * 1024

export const ABSENT: FileState = { kind: 'absent' }

/** A file of ours: readable by all, since containerd may run under another user. */
export function ownFile(text: string): FileState {
  return {
    kind: 'file',
    bytes: Buffer.from(text),
    mode: 0o644,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
  }
}

/** Reads what is at `path`. Throws for a folder, for a file above 1 MiB and for one that may not be read. */
export async function readState(path: string): Promise<FileState> {
  const entry = await orUndefined(lstat(path))
  if (entry === undefined) return ABSENT
  if (entry.isSymbolicLink()) return { kind: 'symlink', target: await readlink(path), bytes: await readThrough(path) }
  return { kind: 'file', bytes: await readBounded(path), mode: entry.mode & 0o7777, uid: entry.uid, gid: entry.gid }
}

/** The state of a link in `folder` to `target`, whether or not it is there now. Not joined: `..` counts from where `folder` really is. */
export async function readLink(folder: string, target: string): Promise<FileState> {
  return { kind: 'symlink', target, bytes: await readThrough(isAbsolute(target) ? target : `${folder}/${target}`) }
}

/** A link that leads nowhere, or in a circle, has nothing behind it. */
async function readThrough(path: string): Promise<Uint8Array> {
  try {
    return (await orUndefined(readBounded(path))) ?? new Uint8Array()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ELOOP') return new Uint8Array()
    throw error
  }
}

async function readBounded(path: string): Promise<Uint8Array> {
  const { size } = await stat(path)
  if (size > MAX_FILE_BYTES) throw new RangeError(`${path} is larger than 1 MiB`)
  return await readFile(path)
}

/** The text at a path as containerd reads it; nothing and an empty file are the same to it. */
export function textOf(state: FileState): string {
  return state.kind === 'absent' ? '' : Buffer.from(state.bytes).toString('utf8')
}

/** Whether two states have the same content in the same kind of entry. The mode may differ: changing it edits nothing. */
export function isSameContent(a: FileState, b: FileState): boolean {
  if (a.kind === 'absent' || b.kind === 'absent') return a.kind === b.kind
  if (a.kind === 'symlink' && b.kind === 'symlink') return a.target === b.target
  return a.kind === b.kind && digestOf(a.bytes) === digestOf(b.bytes)
}

/**
 * Makes `path` be `state`: whoever reads it at the same time sees either the old or the new, also across a power failure.
 * `guard` runs when all is written and only the switch is left; what it throws prevents that.
 */
export async function putState(
  path: string,
  state: FileState,
  guard: () => Promise<void> = async () => {},
): Promise<void> {
  if (state.kind === 'absent') {
    await guard()
    await orUndefined(unlink(path))
  } else {
    const temporary = join(dirname(path), `.${basename(path)}.shoal-${randomBytes(6).toString('hex')}`)
    try {
      if (state.kind === 'symlink') await symlink(state.target, temporary)
      else await writeSynced(temporary, state)
      await guard()
      await rename(temporary, path)
    } catch (error) {
      await orUndefined(unlink(temporary))
      throw error
    }
  }
  await syncFolder(dirname(path))
}

async function writeSynced(path: string, state: FileState & { kind: 'file' }): Promise<void> {
  const handle = await open(path, 'wx', 0o600)
  try {
    await handle.writeFile(state.bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await chmod(path, state.mode)
  if (state.uid !== process.getuid?.() || state.gid !== process.getgid?.()) await chown(path, state.uid, state.gid)
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** `undefined` when there is no such file or folder. */
async function orUndefined<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
