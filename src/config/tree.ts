/** Settings by name as they were written, sections within sections. */
export type Tree = { [name: string]: unknown }

/** Sections lie at most this deep (`registries.<namespace>.url`, `limits.upload.total`); what is deeper is left as it is and refused by the schema. */
const MAX_DEPTH = 3

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value at a dotted path, or `undefined`. Never for paths through registries, whose names have dots. */
export function getIn(tree: Tree, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, name) => (isTree(value) && Object.hasOwn(value, name) ? value[name] : undefined), tree)
}

/** Sets the value at a dotted path. Where something that is no section is in the way, nothing changes: the schema refuses it. */
export function setIn(tree: Tree, path: string, value: unknown): void {
  const names = path.split('.')
  const last = names.pop() ?? ''
  let parent: unknown = tree
  for (const name of names) {
    if (!isTree(parent)) return
    parent = parent[name] ??= {}
  }
  if (isTree(parent)) parent[last] = value
}

/** A copy in which `name:` with nothing behind it is as if left out; in `registries` it is a registry with the defaults. */
export function withoutNulls(value: unknown, depth = MAX_DEPTH, isRegistries = false): unknown {
  if (!isTree(value) || depth === 0) return value
  const kept = Object.entries(value).flatMap(([name, inner]): [string, unknown][] => {
    if (inner !== null) return [[name, withoutNulls(inner, depth - 1, name === 'registries')]]
    return isRegistries ? [[name, {}]] : []
  })
  return Object.fromEntries(kept)
}
