import type { PeerRole } from '../core/index.ts'
import { type ConfigFile, readConfigFile } from './config-file.ts'
import { ConfigError, type ConfigProblem } from './errors.ts'
import { configReference, type SettingReference } from './reference.ts'
import { getIn, isTree, setIn, type Tree, withoutNulls } from './tree.ts'
import { unknownFlags, unknownVariables } from './unknown-names.ts'

/** Where to take the configuration from. Later wins: defaults, file, environment, flags. */
export interface ConfigSources {
  readonly role: PeerRole
  /** A YAML file; without one `SHOAL_CONFIG` names it, and without that there is none. */
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** Values of flags by the path of their setting. */
  readonly flags: Readonly<Record<string, string | readonly string[]>>
}

/** All values that were given, merged but unchecked. */
export interface Gathered {
  readonly tree: Tree
  /** `shoal.yaml:12`, `SHOAL_ZONE`, `--zone` or `default`. */
  sourceOf(path: readonly PropertyKey[]): string
}

/** Merges all sources; throws a `ConfigError` for an unreadable file and for unknown variables and flags. */
export function gather(sources: ConfigSources): Gathered {
  const reference = configReference()
  const name = sources.file ?? (sources.env.SHOAL_CONFIG || undefined)
  const file = name === undefined ? undefined : readConfigFile(name)
  const tree = withoutNulls(file?.tree ?? {})
  const problems = [
    ...unknownVariables(Object.keys(sources.env), reference),
    ...unknownFlags(Object.keys(sources.flags), reference),
    ...secretsIn(tree, file, reference),
  ]
  if (problems.length > 0 || !isTree(tree)) throw new ConfigError(problems)
  const overrides = override(tree, sources, reference)
  return { tree, sourceOf: (path) => overriddenBy(overrides, path) ?? sourceInFile(file, tree, path) }
}

function secretsIn(
  tree: unknown,
  file: ConfigFile | undefined,
  reference: readonly SettingReference[],
): ConfigProblem[] {
  if (file === undefined) return []
  if (!isTree(tree))
    return [{ path: '', source: file.sourceOf([]), reason: 'expected settings by name at the top level' }]
  return reference
    .filter((setting) => setting.isSecret === true && getIn(tree, setting.path) !== undefined)
    .map(({ path, env }) => ({
      path,
      source: file.sourceOf(path.split('.')),
      reason: `a secret does not belong in this file; set ${env} instead`,
    }))
}

/** Puts the values of the environment and the flags into `tree` and says by path which of them count. */
function override(tree: Tree, sources: ConfigSources, reference: readonly SettingReference[]): Map<string, string> {
  const overrides = new Map<string, string>()
  for (const setting of reference) {
    if (setting.env === undefined) continue
    const [value, source] = givenOutsideFile(setting, sources)
    if (value !== undefined) {
      setIn(tree, setting.path, value)
      overrides.set(setting.path, source)
    } else if (
      sources.role === 'tracker' &&
      setting.trackerDefault !== undefined &&
      getIn(tree, setting.path) === undefined
    ) {
      setIn(tree, setting.path, setting.trackerDefault)
      overrides.set(setting.path, 'default')
    }
  }
  return overrides
}

/** An empty variable counts as not set: that is what Kubernetes makes of an optional reference. */
function givenOutsideFile(setting: SettingReference, { env, flags }: ConfigSources): [value: unknown, source: string] {
  const flag = flags[setting.path]
  if (flag !== undefined) {
    const values = [flag].flat()
    return [setting.isList ? values.flatMap(splitList) : values.at(-1), setting.flag ?? setting.path]
  }
  const variable = env[setting.env ?? ''] || undefined
  if (variable === undefined) return [undefined, '']
  return [setting.isList ? splitList(variable) : variable, setting.env ?? '']
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** Settings of variables and flags are one to three names deep. */
function overriddenBy(overrides: Map<string, string>, path: readonly PropertyKey[]): string | undefined {
  const depths = [3, 2, 1].map((depth) => overrides.get(path.slice(0, depth).join('.')))
  return depths.find((source) => source !== undefined)
}

function sourceInFile(file: ConfigFile | undefined, tree: Tree, path: readonly PropertyKey[]): string {
  const isThere = path.length === 0 || Object.hasOwn(tree, String(path[0]))
  return file !== undefined && isThere ? file.sourceOf(path) : 'default'
}
