import { dirname, join } from 'node:path'
import type { AbortOptions } from '../core/index.ts'
import type { ContainerdAction } from './action.ts'
import { backupPath, EMPTY_MANIFEST, type Manifest, manifestPath, readManifest, renderManifest } from './backup.ts'
import { ContainerdFilesError, ContainerdRequestError } from './errors.ts'
import { ABSENT, type FileState, isSameContent, ownFile, readState } from './file-state.ts'
import { type FileChanges, inTransaction } from './file-transaction.ts'
import { BACKUP_FOLDER, DEFAULT_FOLDER, foldersToConfigure, namespaceOf } from './host-folders.ts'
import { type FolderPlan, planFolder } from './plan.ts'

export interface ConfigureInit {
  /** The folder that containerd's `config_path` names. */
  readonly certsDir: string
  /** Where this node's containerd reaches the mirror: `http://127.0.0.1:5000`. */
  readonly mirrorUrl: string
  /** Registries to configure besides those that have a folder already. Default: `_default`, which stands for all without one. */
  readonly namespaces?: readonly string[] | undefined
  readonly dialTimeoutMs?: number | undefined
  /** Also rewrite files of ours that were edited since. */
  readonly isForced?: boolean | undefined
  /** Only say what would be done. */
  readonly isDryRun?: boolean | undefined
}

/** A mirror on the same machine accepts in microseconds; when it does not, containerd should be at the origin soon. */
const DIAL_TIMEOUT_MS = 200

/**
 * Puts the mirror first in the hosts.toml of every registry, keeping what the files said behind it and a copy of each file.
 * All of it happens or none. Doing it again changes nothing. containerd reads the files on its next pull, without a restart.
 */
export async function configureContainerd(
  init: ConfigureInit,
  options: AbortOptions = {},
): Promise<readonly ContainerdAction[]> {
  const url = checkMirrorUrl(init.mirrorUrl)
  const { state, manifest } = await readManifest(init.certsDir)
  const planned: (FolderPlan | ContainerdAction)[] = []
  for (const folder of await foldersToConfigure(init.certsDir, init.namespaces ?? [DEFAULT_FOLDER])) {
    options.signal?.throwIfAborted()
    const namespace = namespaceOf(folder)
    const mirror = {
      url,
      namespace: namespace === DEFAULT_FOLDER ? undefined : namespace,
      dialTimeoutMs: init.dialTimeoutMs ?? DIAL_TIMEOUT_MS,
    }
    const entry = Object.hasOwn(manifest?.folders ?? {}, folder) ? manifest?.folders[folder] : undefined
    planned.push(
      await readable(planFolder({ certsDir: init.certsDir, folder, mirror, entry, isForced: init.isForced ?? false })),
    )
  }
  const plans = planned.filter((plan) => 'entry' in plan)
  if (init.isDryRun !== true) await apply(init.certsDir, plans, { state, manifest }, options)
  return planned.map((plan) => ('entry' in plan ? plan.action : plan))
}

/** First the copies, then the record of them, then the files: whenever this is cut off, what was there can be found. */
async function apply(
  certsDir: string,
  plans: readonly FolderPlan[],
  before: { readonly state: FileState; readonly manifest: Manifest | undefined },
  options: AbortOptions,
): Promise<void> {
  await inTransaction(async (changes) => {
    const backupFolder = join(certsDir, BACKUP_FOLDER)
    const created = await changes.makeFolder(backupFolder)
    const createdRoot =
      before.manifest?.createdRoot ?? (created === undefined || created === backupFolder ? null : created)
    for (const plan of plans) await keepOriginal(certsDir, plan, changes)
    const entries = plans.map((plan) => [plan.folder, plan.entry] as const)
    const manifest = {
      ...EMPTY_MANIFEST,
      createdRoot,
      folders: { ...before.manifest?.folders, ...Object.fromEntries(entries) },
    }
    await putIfOther(manifestPath(certsDir), before.state, ownFile(renderManifest(manifest)), changes)
    for (const plan of plans) {
      await changes.makeFolder(dirname(plan.path))
      await putIfOther(plan.path, plan.current, plan.desired, changes)
    }
  }, options)
}

async function keepOriginal(certsDir: string, { folder, original }: FolderPlan, changes: FileChanges): Promise<void> {
  const path = backupPath(certsDir, folder)
  const wanted = original.kind === 'file' ? original : ABSENT
  await putIfOther(path, await readState(path), wanted, changes)
}

async function putIfOther(path: string, from: FileState, to: FileState, changes: FileChanges): Promise<void> {
  if (!isSameContent(from, to)) await changes.put(path, from, to)
}

async function readable<T>(plan: Promise<T>): Promise<T> {
  try {
    return await plan
  } catch (error) {
    if (error instanceof ContainerdFilesError || !(error instanceof Error)) throw error
    throw new ContainerdFilesError(error.message, error)
  }
}

/** containerd appends `/v2` itself; a path of ours would have to say more than a host can. */
function checkMirrorUrl(text: string): string {
  const url = URL.parse(text)
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    url.pathname !== '/' ||
    url.search !== '' ||
    url.username !== ''
  ) {
    throw new ContainerdRequestError(
      `${JSON.stringify(text)} is not the URL of a mirror, such as http://127.0.0.1:5000`,
    )
  }
  return url.origin
}
