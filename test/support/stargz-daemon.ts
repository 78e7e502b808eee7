import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runOk } from './processes.ts'
import { containerObstacle } from './requirements.ts'

/** Debian packages the library and the client of the stargz snapshotter, but not its daemon. */
const SOURCE = fileURLToPath(new URL('stargz-grpc/main.go', import.meta.url))

/** Kept with the packages of this project, so that a machine builds it once. */
const CACHE_FOLDER = fileURLToPath(new URL('../../node_modules/.cache/shoal-test/', import.meta.url))

/** Where Debian's packages put Go libraries. */
const GO_PATH = '/usr/share/gocode'

/** A hundred seconds of CPU the first time. */
const BUILD_TIMEOUT_MS = 600_000

/** Things a build needs, and the Debian packages that bring them. */
const BUILD_NEEDS: Readonly<Record<string, string>> = {
  go: 'golang-go',
  [`${GO_PATH}/src/github.com/containerd/stargz-snapshotter/fs`]: 'golang-github-containerd-stargz-snapshotter-dev',
}

/** The client that converts images and pulls them lazily. */
const CLIENT_NEEDS: Readonly<Record<string, string>> = { 'ctr-remote': 'stargz-snapshotter' }

/** Debian packages of stargz's client that are not installed. */
export function missingStargzClient(): readonly string[] {
  return Object.entries(CLIENT_NEEDS).flatMap(([thing, name]) => (isThere(thing) ? [] : [name]))
}

/** Debian packages that tests with the stargz snapshotter need besides those of all container tests. */
export function missingStargzPackages(): readonly string[] {
  const needs = Object.entries({ ...CLIENT_NEEDS, ...(existsSync(daemonFile()) ? {} : BUILD_NEEDS) })
  return needs.filter(([thing]) => !isThere(thing)).map(([, name]) => name)
}

/** Why tests with the stargz snapshotter cannot run here; `undefined` when they can. */
export function stargzObstacle(): string | undefined {
  if (!existsSync('/dev/fuse')) return 'no /dev/fuse to mount layers with'
  const missing = missingStargzPackages()
  return missing.length === 0 ? containerObstacle() : `not installed: ${missing.join(', ')}`
}

/** Options of a test with the stargz snapshotter: skipped, with the reason, where it cannot run. */
export function withStargz(timeoutMs: number): { readonly timeout: number; readonly skip: string | false } {
  return { timeout: timeoutMs, skip: stargzObstacle() ?? false }
}

/** Whether an earlier run has built the daemon. */
export function hasStargzDaemon(): boolean {
  return existsSync(daemonFile())
}

/** The daemon's file, built first where an earlier run has not left it; `onBuild` hears of that, since it takes a minute or two. */
export async function stargzDaemon(onBuild: (file: string) => void = () => undefined): Promise<string> {
  const file = daemonFile()
  if (existsSync(file)) return file
  onBuild(file)
  await mkdir(CACHE_FOLDER, { recursive: true })
  const part = await mkdtemp(`${file}.part-`)
  try {
    const env = { GO111MODULE: 'off', GOPATH: GO_PATH, GOFLAGS: '-trimpath', GOCACHE: join(part, 'cache') }
    const built = join(part, 'daemon')
    await runOk('go', ['build', '-o', built, SOURCE], { env, timeoutMs: BUILD_TIMEOUT_MS })
    await rename(built, file)
  } finally {
    await rm(part, { recursive: true, force: true })
  }
  return file
}

/** Named after what it is built from, so that a changed source is built anew. */
function daemonFile(): string {
  const key = createHash('sha256').update(process.arch).update(readFileSync(SOURCE)).digest('hex').slice(0, 16)
  return join(CACHE_FOLDER, `stargz-grpc-${key}`)
}

function isThere(thing: string): boolean {
  if (thing.startsWith('/')) return existsSync(thing)
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, thing)))
}
