import { parse, type TomlTable } from 'smol-toml'

/** What containerd's own configuration makes of a folder with hosts.toml files. */
export interface ContainerdConfigReport {
  /** Version of the file format: 1 and 2 since containerd 1.x, 3 since 2.0. */
  readonly version: number
  readonly configPath: string | undefined
  /** What keeps containerd from asking the mirror, most serious first; empty when nothing does. */
  readonly problems: readonly string[]
}

/** Where the registry settings of the CRI plugin are, by version of the file format. */
const REGISTRY_TABLES: readonly (readonly string[])[] = [
  ['plugins', 'io.containerd.cri.v1.images', 'registry'],
  ['plugins', 'io.containerd.grpc.v1.cri', 'registry'],
  ['plugins', 'cri', 'registry'],
]

/** Tables whose settings make containerd 2.1 and newer pull without the transfer service. */
const IMAGE_TABLES: readonly (readonly string[])[] = [
  ['plugins', 'io.containerd.cri.v1.images'],
  ['plugins', 'io.containerd.grpc.v1.cri'],
  ['plugins', 'io.containerd.grpc.v1.cri', 'containerd'],
]

/** Reads the text of a `config.toml` and says whether pulls by Kubernetes look into `certsDir`. */
export function inspectContainerdConfig(text: string, certsDir: string): ContainerdConfigReport {
  const table = parseConfig(text)
  if (table === undefined)
    return { version: 0, configPath: undefined, problems: ['is not TOML: containerd does not start with it'] }
  const registry = REGISTRY_TABLES.map((path) => tableAt(table, path)).find((found) => found !== undefined) ?? {}
  const configPath =
    typeof registry.config_path === 'string' && registry.config_path !== '' ? registry.config_path : undefined
  const version = typeof table.version === 'number' ? table.version : 1
  return { version, configPath, problems: [...problemsWith(table, registry, configPath, certsDir)] }
}

function* problemsWith(
  table: TomlTable,
  registry: TomlTable,
  configPath: string | undefined,
  certsDir: string,
): Generator<string> {
  const folders = configPath?.split(':').map(withoutSlash) ?? []
  const legacy = ['mirrors', 'configs', 'auths'].filter((name) => registry[name] !== undefined)
  if (configPath === undefined) {
    yield `config_path is not set: before 2.2, containerd does not read ${certsDir}. Set config_path = "${certsDir}" in the registry section of the CRI plugin and restart containerd`
  } else if (!folders.includes(withoutSlash(certsDir))) {
    yield `config_path is ${configPath}: containerd does not read ${certsDir}`
  }
  if (legacy.length > 0) {
    yield `registry.${legacy.join(', registry.')} beside config_path: containerd 1.x refuses or ignores hosts.toml then. Move them into hosts.toml files`
  }
  if (folders.length > 1 && !pullsLocally(table, legacy)) {
    yield 'config_path names several folders: containerd 2.1 and newer takes the whole list as one folder when it pulls through its transfer service, and silently uses no hosts.toml. Name one folder, or set use_local_image_pull = true'
  }
}

/** Any of these settings keeps containerd 2.1 and newer from the transfer service, which does not split the list of folders. */
function pullsLocally(table: TomlTable, legacy: readonly string[]): boolean {
  if (legacy.length > 0) return true
  return IMAGE_TABLES.map((path) => tableAt(table, path) ?? {}).some(
    (images) =>
      images.use_local_image_pull === true ||
      images.discard_unpacked_layers === true ||
      images.disable_snapshot_annotations === false ||
      images.image_pull_with_sync_fs === true ||
      (typeof images.max_concurrent_downloads === 'number' && images.max_concurrent_downloads !== 3),
  )
}

function parseConfig(text: string): TomlTable | undefined {
  try {
    return parse(text)
  } catch {
    return undefined
  }
}

function tableAt(table: TomlTable, path: readonly string[]): TomlTable | undefined {
  let found: unknown = table
  for (const name of path) found = isTable(found) && Object.hasOwn(found, name) ? found[name] : undefined
  return isTable(found) ? found : undefined
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}
