import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { installPackages, isDebian } from '../../../test/support/debian-packages.ts'
import { runOk } from '../../../test/support/processes.ts'
import { isRoot } from '../../../test/support/requirements.ts'
import { UsageError } from '../../usage-error.ts'
import {
  aptSources,
  archivesIn,
  containerfile,
  type DebianArchives,
  type ImageSize,
  type ImageVersion,
  TIDY,
  UPGRADE,
} from './debian-recipes.ts'

/** Minutes on a quiet machine; packages come over the network. */
const STEP_TIMEOUT_MS = 1_200_000

/** Programs that build, each in the Debian package of its name. */
const BUILDERS = ['debootstrap', 'buildah'] as const

const BASE = 'localhost/shoal-bench-base'

/**
 * The folder of an OCI layout with an image of Debian packages, built or found where an earlier run left it. `v2` is the
 * same recipe on a base that was brought up to date, as a nightly rebuild is. Needs root, Debian and its packages.
 */
export async function debianImage(size: ImageSize, version: ImageVersion): Promise<string> {
  const folder = join(tmpdir(), `shoal-bench-image-${size}-${version}`)
  if (existsSync(join(folder, 'index.json'))) return folder
  const archives = await prepare()
  const work = await mkdtemp(`${folder}.part-`)
  try {
    const layout = join(work, 'layout')
    await buildInto(layout, { work, size, version, archives })
    await rename(layout, folder)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return folder
}

async function prepare(): Promise<DebianArchives> {
  const advice = 'give images of your own (see --help)'
  if (!isRoot() || !isDebian()) throw new UsageError(`the images are built of Debian packages, as root: ${advice}`)
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const missing = BUILDERS.filter((name) => !folders.some((folder) => existsSync(join(folder, name))))
  const failure = missing.length === 0 ? undefined : await installPackages(missing)
  if (failure !== undefined) throw new UsageError(`${missing.join(' and ')} cannot be installed: ${advice}\n${failure}`)
  const archives = archivesIn(await readFile('/etc/os-release', 'utf8'), await aptSourcesText())
  if (archives === undefined) throw new UsageError(`apt's sources name no archive with security updates: ${advice}`)
  return archives
}

async function aptSourcesText(): Promise<string> {
  const folder = '/etc/apt/sources.list.d'
  const names = await readdir(folder).catch(() => [])
  const files = ['/etc/apt/sources.list', ...names.map((name) => join(folder, name))]
  const texts = await Promise.all(files.map(async (file) => await readFile(file, 'utf8').catch(() => '')))
  return texts.join('\n')
}

interface Build {
  readonly work: string
  readonly size: ImageSize
  readonly version: ImageVersion
  readonly archives: DebianArchives
}

async function buildInto(layout: string, { work, size, version, archives }: Build): Promise<void> {
  const root = join(work, 'rootfs')
  const tar = join(work, 'base.tar')
  await step('debootstrap', '--variant=minbase', '--include=ca-certificates', archives.suite, root, archives.archive)
  await writeFile(join(root, 'etc/apt/sources.list'), aptSources(version, archives))
  if (version === 'v2') await step('chroot', root, 'sh', '-c', UPGRADE)
  await step('chroot', root, 'sh', '-c', TIDY)
  await step(
    'tar',
    '--numeric-owner',
    '--exclude=./dev/*',
    '--exclude=./proc/*',
    '--exclude=./sys/*',
    '-C',
    root,
    '-cf',
    tar,
    '.',
  )
  await rm(root, { recursive: true, force: true })
  await mkdir(join(work, 'context'))
  await writeFile(join(work, 'context/Containerfile'), containerfile(size, BASE))
  const buildah = [
    'buildah',
    '--root',
    join(work, 'storage'),
    '--runroot',
    join(work, 'run'),
    '--storage-driver',
    'overlay',
  ]
  const container = (await step(...buildah, 'from', 'scratch')).trim()
  await step(...buildah, 'add', '-q', container, tar, '/')
  await step(...buildah, 'commit', '-q', '--rm', container, BASE)
  // Its steps run with the network of this machine in a mere chroot: no runc and no bridge are needed.
  const flags = ['-q', '--isolation', 'chroot', '--network', 'host', '--layers', '--format', 'oci', '--pull-never']
  await step(...buildah, 'bud', ...flags, '-t', `${BASE}-${size}`, join(work, 'context'))
  await step(...buildah, 'push', '-q', `${BASE}-${size}`, `oci:${layout}:${version}`)
}

async function step(command = '', ...args: readonly string[]): Promise<string> {
  return await runOk(command, args, { timeoutMs: STEP_TIMEOUT_MS })
}
