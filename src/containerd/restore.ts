import { dirname, join } from 'node:path'
import type { AbortOptions } from '../core/index.ts'
import type { ContainerdAction } from './action.ts'
import { backupPath, isWritten, type Manifest, manifestPath, readManifest, readPrevious } from './backup.ts'
import { ContainerdEditedError } from './errors.ts'
import { ABSENT, type FileState, isSameContent, readState } from './file-state.ts'
import { type FileChanges, inTransaction } from './file-transaction.ts'
import { BACKUP_FOLDER } from './host-folders.ts'

export interface RestoreInit {
  readonly certsDir: string
  /** Put back also over files that were edited since, losing those edits. */
  readonly isForced?: boolean | undefined
  /** Only say what would be done. */
  readonly isDryRun?: boolean | undefined
}

interface FolderRestore {
  readonly folder: string
  readonly path: string
  readonly current: FileState
  readonly original: FileState
  readonly isFolderOurs: boolean
  readonly isEdited: boolean
}

/**
 * Puts back byte for byte what `configureContainerd` found and removes what it made. All of it happens or none.
 * Throws `ContainerdEditedError` when a file was edited since, unless forced. Without anything to restore the list is empty.
 */
export async function restoreContainerd(
  init: RestoreInit,
  options: AbortOptions = {},
): Promise<readonly ContainerdAction[]> {
  const { state, manifest } = await readManifest(init.certsDir)
  if (manifest === undefined) return []
  const restores: FolderRestore[] = []
  for (const folder of Object.keys(manifest.folders)) restores.push(await planRestore(init.certsDir, folder, manifest))
  const edited = restores.filter((restore) => restore.isEdited).map((restore) => restore.path)
  if (edited.length > 0 && init.isForced !== true) throw new ContainerdEditedError(edited)
  if (init.isDryRun !== true) {
    await inTransaction(async (changes) => {
      for (const restore of restores) await putBack(restore, changes)
      await removeBackup(init.certsDir, restores, state, changes)
      await removeCreated(init.certsDir, manifest.createdRoot, changes)
    }, options)
  }
  return restores.map(actionOf)
}

async function planRestore(certsDir: string, folder: string, manifest: Manifest): Promise<FolderRestore> {
  const entry = manifest.folders[folder]
  if (entry === undefined) throw new RangeError(`no entry for ${folder}`)
  const path = join(certsDir, folder, 'hosts.toml')
  const current = await readState(path)
  const original = await readPrevious(certsDir, folder, entry)
  const isEdited = !isWritten(entry, current) && !isSameContent(current, original)
  return { folder, path, current, original, isFolderOurs: entry.isFolderOurs, isEdited }
}

async function putBack({ path, current, original, isFolderOurs }: FolderRestore, changes: FileChanges): Promise<void> {
  if (!isSameContent(current, original)) {
    await changes.makeFolder(dirname(path))
    await changes.put(path, current, original)
  }
  if (isFolderOurs) await changes.removeFolder(dirname(path))
}

async function removeBackup(
  certsDir: string,
  restores: readonly FolderRestore[],
  manifest: FileState,
  changes: FileChanges,
): Promise<void> {
  for (const { folder } of restores) {
    const path = backupPath(certsDir, folder)
    const state = await readState(path)
    if (state.kind !== 'absent') await changes.put(path, state, ABSENT)
  }
  await changes.put(manifestPath(certsDir), manifest, ABSENT)
  await changes.removeFolder(join(certsDir, BACKUP_FOLDER))
}

/** Up to the topmost folder that was made, as long as nobody else has put something there. */
async function removeCreated(certsDir: string, createdRoot: string | null, changes: FileChanges): Promise<void> {
  if (createdRoot === null) return
  for (let folder = certsDir; folder.length >= createdRoot.length; folder = dirname(folder)) {
    if (!(await changes.removeFolder(folder))) return
  }
}

function actionOf({ path, current, original }: FolderRestore): ContainerdAction {
  if (isSameContent(current, original)) return { kind: 'unchanged', path }
  return { kind: original.kind === 'absent' ? 'removed' : 'restored', path }
}
