import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LayerEntry } from './oci-layout.ts'

/** `small` starts in a moment and has about 15 MB; `medium` has about 100 MB, more than half of it in one layer. */
export type ImageSize = 'small' | 'medium'

/** What an image is made of: layers from the bottom up and the command it runs. */
export interface Recipe {
  readonly layers: readonly { readonly name: string; readonly entries: readonly LayerEntry[] }[]
  readonly command: readonly string[]
}

/** What every image prints, so that a test can tell that it really ran. */
export const GREETING = 'hello from a layered image'

const MODULES = fileURLToPath(new URL('../../node_modules/', import.meta.url))
const BUSYBOX = '/bin/busybox'

/** Packages of a tool layer: compiled code, as compilers and linters bring it. */
const TOOL_PACKAGES = { small: ['@oxlint'], medium: ['@typescript', '@swc', '@oxlint'] }

/** Packages of a library layer: thousands of small text files. */
const LIBRARY_PACKAGES = {
  small: ['libp2p', '@libp2p', '@chainsafe', 'undici'],
  medium: ['libp2p', '@libp2p', '@chainsafe', '@noble', '@multiformats', '@bufbuild', 'undici', 'zod', 'pino', 'yaml'],
}

/** The recipe of an image of real programs: everything comes from this machine and this project's packages. */
export function recipe(size: ImageSize): Recipe {
  const runsBusybox = size === 'small' && existsSync(BUSYBOX)
  const layers = [
    { name: 'base', entries: [...baseFolders(), ...busybox(), ...sharedLibraries()] },
    ...(runsBusybox ? [] : [{ name: 'runtime', entries: [nodeRuntime()] }]),
    { name: 'tools', entries: packages(TOOL_PACKAGES[size]) },
    { name: 'libraries', entries: packages(LIBRARY_PACKAGES[size]) },
    { name: 'app', entries: runsBusybox ? shellApp() : nodeApp() },
  ]
  const command = runsBusybox ? ['/bin/busybox', 'sh', '/app/main.sh'] : ['/usr/local/bin/node', '/app/main.mjs']
  return { layers, command }
}

function baseFolders(): LayerEntry[] {
  const folders = [
    'bin',
    'etc',
    'lib',
    'lib64',
    'usr',
    'usr/local',
    'usr/local/bin',
    'app',
    'proc',
    'sys',
    'dev',
    'root',
  ]
  return [
    ...folders.map((path): LayerEntry => ({ kind: 'folder', path })),
    { kind: 'folder', path: 'tmp', mode: 0o1777 },
    { kind: 'text', path: 'etc/passwd', text: 'root:x:0:0:root:/root:/bin/sh\n' },
    { kind: 'text', path: 'etc/group', text: 'root:x:0:\n' },
  ]
}

function busybox(): LayerEntry[] {
  if (!existsSync(BUSYBOX)) return []
  const names = ['sh', 'ls', 'cat', 'echo', 'sleep']
  return [
    { kind: 'file', path: 'bin/busybox', source: BUSYBOX, mode: 0o755 },
    ...names.map((name): LayerEntry => ({ kind: 'link', path: `bin/${name}`, target: 'busybox' })),
  ]
}

/** The libraries that the running Node.js has loaded, its dynamic loader among them. */
function sharedLibraries(): LayerEntry[] {
  const report = process.report.getReport() as unknown as { readonly sharedObjects: readonly string[] }
  const files = report.sharedObjects.filter((path) => /^\/(usr\/)?lib(32|64)?\//.test(path) && existsSync(path))
  const folders = new Set(files.flatMap((path) => ancestors(path.slice(1))))
  return [
    ...[...folders].toSorted().map((path): LayerEntry => ({ kind: 'folder', path })),
    ...files.map((path): LayerEntry => ({ kind: 'file', path: path.slice(1), source: path, mode: 0o755 })),
  ]
}

function ancestors(path: string): string[] {
  const parent = dirname(path)
  return parent === '.' ? [] : [...ancestors(parent), parent]
}

function nodeRuntime(): LayerEntry {
  return { kind: 'file', path: 'usr/local/bin/node', source: process.execPath, mode: 0o755 }
}

function packages(names: readonly string[]): LayerEntry[] {
  const installed = names.filter((name) => existsSync(join(MODULES, name)))
  return [
    { kind: 'folder', path: 'app/node_modules' },
    ...installed.map(
      (name): LayerEntry => ({ kind: 'tree', path: `app/node_modules/${name}`, source: join(MODULES, name) }),
    ),
  ]
}

function shellApp(): LayerEntry[] {
  return [{ kind: 'text', path: 'app/main.sh', text: `echo "${GREETING}"\n`, mode: 0o755 }]
}

function nodeApp(): LayerEntry[] {
  const { version } = createRequire(import.meta.url)('../../package.json') as { readonly version: string }
  const text = `console.log(${JSON.stringify(GREETING)}, ${JSON.stringify(version)}, process.version)\n`
  return [{ kind: 'text', path: 'app/main.mjs', text }]
}
