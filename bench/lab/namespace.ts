import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { runOk } from '../../test/support/processes.ts'

/** Where iproute2 keeps the names of network namespaces. */
const FOLDER = '/run/netns'

/** A command of iproute2 takes milliseconds; on a busy machine it has to wait for its turn. */
const COMMAND_TIMEOUT_MS = 20_000

/** Runs `ip` or `tc`; throws with what it wrote unless it succeeds. */
export async function network(command: 'ip' | 'tc', ...args: readonly string[]): Promise<void> {
  await runOk(command, args, { timeoutMs: COMMAND_TIMEOUT_MS })
}

/** What to put in front of a command line to run it in `namespace`; changes nothing but the network. */
export function entering(namespace: string): readonly string[] {
  return ['nsenter', `--net=${FOLDER}/${namespace}`]
}

export async function listNamespaces(): Promise<readonly string[]> {
  return existsSync(FOLDER) ? await readdir(FOLDER) : []
}

/** Removes the name; the namespace itself goes with its last process. Does nothing when there is none. */
export async function deleteNamespace(namespace: string): Promise<void> {
  if (existsSync(`${FOLDER}/${namespace}`)) await network('ip', 'netns', 'delete', namespace)
}

/** The same without waiting for anything but the command, for exit hooks. */
export function deleteNamespaceAtOnce(namespace: string): void {
  const command = 'ip'
  spawnSync(command, ['netns', 'delete', namespace], { stdio: 'ignore' })
}
