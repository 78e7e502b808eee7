import { readFile } from 'node:fs/promises'
import { run } from './processes.ts'

const UMOUNT_TIMEOUT_MS = 10_000

interface MountPoint {
  readonly at: string
  readonly type: string
}

/** Mounts below a folder in the order in which they were made. */
export async function mountPointsBelow(folder: string): Promise<readonly MountPoint[]> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' '))
  return mounts.map(([, at = '', type = '']) => ({ at, type })).filter(({ at }) => at.startsWith(`${folder}/`))
}

/** Takes away what is mounted below a folder, the latest first, also where something still reads there. */
export async function unmountBelow(folder: string): Promise<void> {
  for (const { at } of (await mountPointsBelow(folder)).toReversed())
    await run('umount', ['--lazy', at], { timeoutMs: UMOUNT_TIMEOUT_MS })
}
