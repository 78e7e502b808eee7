import { readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unmountBelow } from '../../test/support/mounts.ts'
import { isRunning, runOf } from './run-name.ts'
import { deleteNamespace, listNamespaces } from './namespace.ts'

/**
 * Removes what runs of the load generator left behind that were killed before they could tidy up: mounts, processes,
 * network namespaces and temporary folders. All of it carries the name of its run; runs that still go on are left alone.
 */
export async function removeLeftovers(): Promise<void> {
  const namespaces = (await listNamespaces()).filter(isLeftover)
  const folders = (await readdir(tmpdir())).filter(isLeftover).map((name) => join(tmpdir(), name))
  // Before the processes: a reader of a mount whose server is gone hangs.
  for (const folder of folders) await unmountBelow(folder)
  await endProcessesOf(folders)
  for (const namespace of namespaces) await deleteNamespace(namespace)
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
}

function isLeftover(name: string): boolean {
  const run = runOf(name)
  return run !== undefined && !isRunning(run)
}

/** Every process of a run has a file of its run's folder on its command line. */
async function endProcessesOf(folders: readonly string[]): Promise<void> {
  if (folders.length === 0) return
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  for (const pid of pids) {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (!commandLine.split('\0').some((argument) => folders.some((folder) => argument.startsWith(`${folder}/`))))
      continue
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}
