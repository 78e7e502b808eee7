import { join } from 'node:path'
import type { AbortOptions } from '../core/index.ts'
import { isWritten, type Manifest, readManifest } from './backup.ts'
import { type ContainerdConfigReport, inspectContainerdConfig } from './containerd-config.ts'
import { ContainerdFilesError } from './errors.ts'
import { readState, textOf } from './file-state.ts'
import { DEFAULT_FOLDER, namespaceOf, registryFolders } from './host-folders.ts'
import { type HostsFile, parseHosts } from './hosts-file.ts'

export interface ShowInit {
  readonly certsDir: string
  /** containerd's own configuration file, to check that it reads `certsDir` at all. */
  readonly containerdConfigFile?: string | undefined
}

/** What containerd does with the images of one registry. */
export interface RegistryReport {
  /** `_default` stands for every registry without a folder of its own. */
  readonly namespace: string
  readonly path: string
  /** Whom containerd asks, in this order. The last one is the registry itself or its `server`. */
  readonly asks: readonly {
    readonly url: string
    readonly capabilities: readonly string[]
    readonly isMirror: boolean
  }[]
  /**
   * `ours`: as we wrote it. `drifted`: ours, but edited since. `foreign`: without the mirror in front, so that pulls pass us by.
   * `unreadable`: containerd ignores the file.
   */
  readonly state: 'ours' | 'drifted' | 'foreign' | 'unreadable'
}

export interface ContainerdReport {
  readonly registries: readonly RegistryReport[]
  /** `undefined` when no file was given. */
  readonly config: ContainerdConfigReport | undefined
}

/** Says whom containerd would ask for each registry's images, and what keeps it from asking us. Changes nothing. */
export async function showContainerd(init: ShowInit, { signal }: AbortOptions = {}): Promise<ContainerdReport> {
  const { manifest } = await readManifest(init.certsDir)
  const registries: RegistryReport[] = []
  for (const folder of await registryFolders(init.certsDir)) {
    signal?.throwIfAborted()
    registries.push(await reportOn(init.certsDir, folder, manifest))
  }
  const file = init.containerdConfigFile
  const config = file === undefined ? undefined : inspectContainerdConfig(await readConfig(file), init.certsDir)
  return { registries, config }
}

async function reportOn(certsDir: string, folder: string, manifest: Manifest | undefined): Promise<RegistryReport> {
  const path = join(certsDir, folder, 'hosts.toml')
  const namespace = namespaceOf(folder) ?? folder
  const state = await readState(path).catch(() => undefined)
  const file = state === undefined ? undefined : parseHosts(textOf(state))
  if (state === undefined || file === undefined)
    return { namespace, path, asks: [lastResort(namespace, undefined)], state: 'unreadable' }
  const entry = manifest?.folders[folder]
  const isOurs = entry !== undefined && isWritten(entry, state)
  const isInFront = file.markedMirror !== undefined && file.hosts[0]?.url === file.markedMirror
  return { namespace, path, asks: asksOf(namespace, file), state: isOurs ? 'ours' : isInFront ? 'drifted' : 'foreign' }
}

function asksOf(namespace: string, file: HostsFile): RegistryReport['asks'] {
  const hosts = file.hosts.map((host) => ({ ...host, isMirror: host.url === file.markedMirror }))
  return [...hosts, lastResort(namespace, file.server)]
}

/** containerd always asks this one last; it cannot be taken out. */
function lastResort(namespace: string, server: string | undefined): RegistryReport['asks'][number] {
  const own =
    namespace === DEFAULT_FOLDER
      ? 'the registry itself'
      : namespace === 'docker.io'
        ? 'https://registry-1.docker.io'
        : `https://${namespace}`
  return { url: server ?? own, capabilities: ['pull', 'resolve', 'push'], isMirror: false }
}

async function readConfig(file: string): Promise<string> {
  const state = await readState(file)
  if (state.kind === 'absent') throw new ContainerdFilesError(`there is no ${file}`)
  return textOf(state)
}
