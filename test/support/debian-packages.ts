import { existsSync } from 'node:fs'
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { run } from './processes.ts'

const INSTALL_TIMEOUT_MS = 300_000

/** Debian asks this script whether a freshly installed daemon may start. */
const POLICY_FILE = '/usr/sbin/policy-rc.d'

/** Exit status that means no. */
const POLICY_NEVER = '#!/bin/sh\nexit 101\n'

/** Whether packages can be installed with apt. */
export function isDebian(): boolean {
  return existsSync('/etc/debian_version') && existsSync('/usr/bin/apt-get')
}

/** Installs Debian packages without starting their daemons. What went wrong, or `undefined`. */
export async function installPackages(names: readonly string[]): Promise<string | undefined> {
  await using _policy = await forbidDaemonStarts()
  const update = await aptGet('update', '-qq')
  if (update !== undefined) return update
  return await aptGet('install', '-y', '-qq', '--no-install-recommends', ...names)
}

async function aptGet(...args: readonly string[]): Promise<string | undefined> {
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const { code, output } = await run('apt-get', args, { env, timeoutMs: INSTALL_TIMEOUT_MS })
  return code === 0 ? undefined : `apt-get ${args[0]} ended with code ${code}:\n${output.slice(-2_000)}`
}

/** Keeps daemons from being started until disposed of; leaves the machine's own policy as it was. */
async function forbidDaemonStarts(): Promise<AsyncDisposable> {
  const before = existsSync(POLICY_FILE)
    ? { text: await readFile(POLICY_FILE), mode: (await stat(POLICY_FILE)).mode }
    : undefined
  await writeFile(POLICY_FILE, POLICY_NEVER)
  await chmod(POLICY_FILE, 0o755)
  return {
    [Symbol.asyncDispose]: async () => {
      if (before === undefined) return await rm(POLICY_FILE, { force: true })
      await writeFile(POLICY_FILE, before.text)
      await chmod(POLICY_FILE, before.mode)
    },
  }
}
