import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { z } from 'zod'
import { conflictsIn } from './check.ts'
import type { Config } from './config.ts'
import { ConfigError, type ConfigProblem } from './errors.ts'
import { type ConfigSources, type Gathered, gather } from './gather.ts'
import { configReference } from './reference.ts'
import { type Settings, settingsSchema } from './schema.ts'
import { type DiskSize, toConfig } from './to-config.ts'
import { hint } from './unknown-names.ts'

/**
 * The configuration from defaults, file, environment and flags, later ones winning.
 * Throws a `ConfigError` that names every problem with its path, source and reason. Reads files, changes nothing.
 */
export function loadConfig(sources: ConfigSources, diskSize: DiskSize = sizeOfDisk): Config {
  return toConfig(sources.role, checkSettings(gather(sources)), diskSize)
}

/** Checks what was gathered against the schema and within itself. */
export function checkSettings(gathered: Gathered): Settings {
  const result = settingsSchema.safeParse(gathered.tree)
  if (!result.success) throw new ConfigError(result.error.issues.flatMap((issue) => problemsOf(issue, gathered)))
  const conflicts = conflictsIn(result.data)
  if (conflicts.length > 0) {
    throw new ConfigError(
      conflicts.map(({ path, reason }) => ({ path: formatPath(path), source: gathered.sourceOf(path), reason })),
    )
  }
  return result.data
}

function problemsOf(issue: z.core.$ZodIssue, gathered: Gathered): ConfigProblem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const path = [...issue.path, key]
      return {
        path: formatPath(path),
        source: gathered.sourceOf(path),
        reason: `no such setting${hint(key, namesIn(issue.path))}`,
      }
    })
  }
  const reason = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message
  return [{ path: formatPath(issue.path), source: gathered.sourceOf(issue.path), reason }]
}

/** The settings and sections that there are in the section at `path`. */
function namesIn(path: readonly PropertyKey[]): Set<string> {
  const isInRegistry = path[0] === 'registries' && path.length === 2
  const isInListener = path[0] === 'mirror' && path[1] === 'listeners'
  const prefix = isInRegistry
    ? 'registries.<namespace>.'
    : isInListener
      ? 'mirror.listeners[].'
      : path.map((part) => `${String(part)}.`).join('')
  const below = configReference().filter((setting) => setting.path.startsWith(prefix))
  return new Set(below.map((setting) => setting.path.slice(prefix.length).split('.')[0]?.replace('[]', '') ?? ''))
}

/** `mirror.listen[0]`, `registries["quay.io"].url`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    const name = String(part)
    if (!/^\w+$/.test(name)) return `${text}[${JSON.stringify(name)}]`
    return text === '' ? name : `${text}.${name}`
  }, '')
}

/** Asks the nearest folder above that exists, since the data folder may not have been made yet. */
function sizeOfDisk(path: string): number {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      const disk = statfsSync(folder)
      return disk.bsize * disk.blocks
    } catch (error) {
      if (folder === dirname(folder)) throw error
    }
  }
}
