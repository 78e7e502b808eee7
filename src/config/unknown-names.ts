import type { ConfigProblem } from './errors.ts'
import { nearestName } from './nearest-name.ts'
import type { SettingReference } from './reference.ts'

/** Variables that are read elsewhere: the file itself, and where `status` and `pull` find the agent. */
const OTHER_VARIABLES = new Set(['SHOAL_CONFIG', 'SHOAL_ADMIN_URL'])

/** What Kubernetes sets in every pod for a Service whose name begins with `shoal`. */
const SERVICE_LINK = /_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)$/

/** A problem for each variable that begins with `SHOAL_` and is no setting. */
export function unknownVariables(names: readonly string[], reference: readonly SettingReference[]): ConfigProblem[] {
  const known = new Set(reference.flatMap((setting) => setting.env ?? []))
  return names
    .filter(
      (name) => name.startsWith('SHOAL_') && !known.has(name) && !OTHER_VARIABLES.has(name) && !SERVICE_LINK.test(name),
    )
    .map((name) => ({ path: '', source: name, reason: `no such setting${hint(name, known)}` }))
}

/** A problem for each path that no flag sets. */
export function unknownFlags(paths: readonly string[], reference: readonly SettingReference[]): ConfigProblem[] {
  const known = new Set(reference.flatMap((setting) => (setting.flag === undefined ? [] : setting.path)))
  return paths
    .filter((path) => !known.has(path))
    .map((path) => ({ path: '', source: path, reason: `cannot be given as a flag${hint(path, known)}` }))
}

/** `; did you mean x?`, or nothing when no candidate is near. */
export function hint(name: string, candidates: Iterable<string>): string {
  const nearest = nearestName(name, candidates)
  return nearest === undefined ? '' : `; did you mean ${nearest}?`
}
