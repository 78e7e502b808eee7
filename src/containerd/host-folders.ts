import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ContainerdRequestError } from './errors.ts'

/** The folder that containerd uses for registries without one of their own. */
export const DEFAULT_FOLDER = '_default'

/** Where we keep what was there before; no registry can have this name. */
export const BACKUP_FOLDER = '_shoal-backup'

const REGISTRY = /^(?:[a-zA-Z0-9][a-zA-Z0-9.-]*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/

/** `host_5000_` for `host:5000`, as containerd spells a port in a folder name; other names stay. */
export function folderOf(namespace: string): string {
  return namespace.replace(/:(\d{1,5})$/, '_$1_')
}

/** The registry a folder is for: `_default`, or `undefined` when the name is none. Both spellings of a port are read. */
export function namespaceOf(folder: string): string | undefined {
  if (folder === DEFAULT_FOLDER) return DEFAULT_FOLDER
  const namespace = folder.replace(/_(\d{1,5})_$/, ':$1')
  return REGISTRY.test(namespace) ? namespace : undefined
}

/**
 * Folders to configure, sorted: those of `namespaces`, in the spelling that exists already, and every other registry's
 * folder in `certsDir`, because such a folder keeps containerd from looking into `_default`.
 */
export async function foldersToConfigure(certsDir: string, namespaces: readonly string[]): Promise<string[]> {
  const existing = await registryFolders(certsDir)
  const named = namespaces.map((namespace) => {
    if (namespaceOf(namespace) === undefined)
      throw new ContainerdRequestError(`${JSON.stringify(namespace)} is not a registry`)
    return existing.find((folder) => namespaceOf(folder) === namespace) ?? folderOf(namespace)
  })
  return [...new Set([...named, ...existing])].toSorted()
}

/** Folders of registries in `certsDir`, the spelling that containerd prefers (`host_port_`) before the other. */
export async function registryFolders(certsDir: string): Promise<string[]> {
  const folders: string[] = []
  for (const name of await namesIn(certsDir)) {
    if (namespaceOf(name) !== undefined && (await isFolder(join(certsDir, name)))) folders.push(name)
  }
  return folders.toSorted((a, b) => Number(a.includes(':')) - Number(b.includes(':')) || (a < b ? -1 : 1))
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** Follows links, as containerd does. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}
