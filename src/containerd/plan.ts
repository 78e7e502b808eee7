import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ContainerdAction } from './action.ts'
import { isWritten, type ManifestEntry, readPrevious, toPrevious, writtenDigest } from './backup.ts'
import { findCertFiles } from './cert-files.ts'
import { ABSENT, type FileState, isSameContent, ownFile, readState, textOf } from './file-state.ts'
import { type MirrorHost, markedMirror, withMirror, withoutMirror } from './hosts-file.ts'

/** What is to become of the hosts.toml of one registry. */
export interface FolderPlan {
  readonly folder: string
  readonly path: string
  readonly current: FileState
  readonly desired: FileState
  /** What was there before we ever wrote. */
  readonly original: FileState
  readonly entry: ManifestEntry
  readonly action: ContainerdAction
}

export interface PlanInit {
  readonly certsDir: string
  readonly folder: string
  readonly mirror: MirrorHost
  readonly entry: ManifestEntry | undefined
  /** Rewrite a file of ours that somebody has edited. */
  readonly isForced: boolean
}

/** Decides what to do in one folder, changing nothing. A folder that must be left alone gives an action alone. */
export async function planFolder(init: PlanInit): Promise<FolderPlan | ContainerdAction> {
  const path = join(init.certsDir, init.folder, 'hosts.toml')
  const current = await readUsable(path)
  if (current === undefined) return { kind: 'skipped', path, reason: 'is no file' }
  const original = await originalOf(init, current)
  if (original === undefined)
    return { kind: 'skipped', path, reason: 'was edited since Shoal wrote it; --force rewrites it' }
  const text = withMirror(textOf(original), init.mirror, await findCertFiles(join(init.certsDir, init.folder)))
  if (text === undefined) return { kind: 'skipped', path, reason: 'is not a hosts.toml that containerd can read' }
  const desired = original.kind === 'file' ? { ...original, bytes: Buffer.from(text) } : ownFile(text)
  const kind = isSameContent(current, desired) ? 'unchanged' : current.kind === 'absent' ? 'created' : 'updated'
  const entry = await toEntry(init, original, text)
  return { folder: init.folder, path, current, desired, original, entry, action: { kind, path } }
}

/** `undefined` when the user's work in a file of ours would be lost. */
async function originalOf(
  { certsDir, folder, entry, isForced }: PlanInit,
  current: FileState,
): Promise<FileState | undefined> {
  if (entry !== undefined && isWritten(entry, current)) return await readPrevious(certsDir, folder, entry)
  if (markedMirror(textOf(current)) === undefined) return current
  if (entry === undefined) return reconstruct(current)
  return isForced ? await readPrevious(certsDir, folder, entry) : undefined
}

/** Our file without our backup, which somebody has removed: what is not ours in it is all that is known. */
function reconstruct(current: FileState): FileState {
  const rest = withoutMirror(textOf(current))
  return rest === '' ? ABSENT : ownFile(rest)
}

async function toEntry(
  { certsDir, folder, entry }: PlanInit,
  original: FileState,
  text: string,
): Promise<ManifestEntry> {
  const digest = writtenDigest(text)
  const before = entry?.written.filter((other) => other !== digest) ?? []
  return {
    written: [digest, ...before].slice(0, 2),
    isFolderOurs: entry?.isFolderOurs ?? !(await exists(join(certsDir, folder))),
    previous: toPrevious(original),
  }
}

/** `undefined` for a folder, which containerd cannot read either. */
async function readUsable(path: string): Promise<FileState | undefined> {
  try {
    return await readState(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EISDIR') return undefined
    throw error
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}
