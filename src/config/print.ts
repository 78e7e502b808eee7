import { Document, isCollection, isMap, isScalar } from 'yaml'
import { type ConfigSources, type Gathered, gather } from './gather.ts'
import { checkSettings } from './load.ts'
import { configReference } from './reference.ts'
import { PUBLIC_REGISTRIES } from './schema.ts'
import { getIn, setIn, type Tree } from './tree.ts'

/** Stands for a secret wherever the configuration is shown. */
const HIDDEN = '(hidden)'

/**
 * The effective configuration as YAML, each value with its source as a comment; secrets are hidden.
 * Throws a `ConfigError` like `loadConfig`.
 */
export function printConfig(sources: ConfigSources): string {
  const gathered = gather(sources)
  checkSettings(gathered)
  const document = new Document(effectiveTree(gathered.tree))
  annotate(document.contents, [], gathered)
  return document.toString({ lineWidth: 0, flowCollectionPadding: false })
}

function effectiveTree(given: Tree): Tree {
  const tree: Tree = {}
  for (const setting of configReference()) {
    const value = setting.env === undefined ? undefined : (getIn(given, setting.path) ?? setting.defaultValue)
    if (value !== undefined) setIn(tree, setting.path, setting.isSecret === true ? HIDDEN : value)
  }
  setIn(tree, 'mirror.listeners', getIn(given, 'mirror.listeners') ?? [])
  return { ...tree, registries: given.registries ?? PUBLIC_REGISTRIES }
}

/** Says behind each value where it came from, unless it is a default. Short collections stay on their line. */
function annotate(node: unknown, path: readonly PropertyKey[], gathered: Gathered): void {
  if (isMap(node) && node.items.length > 0) {
    for (const { key, value } of node.items)
      annotate(value, [...path, isScalar(key) ? String(key.value) : ''], gathered)
  } else if (isScalar(node) || isCollection(node)) {
    if (isCollection(node)) node.flow = true
    const source = gathered.sourceOf(path)
    if (source !== 'default') node.comment = ` ${source}`
  }
}
