import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { type Document, isMap, isNode, isPair, LineCounter, parseDocument, YAMLParseError } from 'yaml'
import { ConfigError } from './errors.ts'

/** Largest configuration file read; a list of a thousand peers has a tenth of it. */
const MAX_FILE_BYTES = 1024 * 1024

/** A YAML file as it was read, still unchecked. */
export interface ConfigFile {
  readonly tree: unknown
  /** `shoal.yaml:12`: the file and the line of the setting at `path`, or of what is nearest to it. */
  sourceOf(path: readonly PropertyKey[]): string
}

/** Reads and parses `file`; throws a `ConfigError` when it cannot be read, is too large or is not YAML. */
export function readConfigFile(file: string): ConfigFile {
  const text = readText(file)
  const lines = new LineCounter()
  try {
    const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, merge: false })
    const [failure] = document.errors
    if (failure !== undefined) throw failure
    const name = basename(file)
    return { tree: document.toJS(), sourceOf: (path) => locate(document, lines, name, path) }
  } catch (error) {
    const line = error instanceof YAMLParseError ? `:${lines.linePos(error.pos[0]).line}` : ''
    throw new ConfigError([{ path: '', source: `${file}${line}`, reason: firstLine(error) }], error)
  }
}

function readText(file: string): string {
  try {
    const descriptor = openSync(file, 'r')
    try {
      if (fstatSync(descriptor).size > MAX_FILE_BYTES) throw new RangeError('is larger than 1 MiB')
      const bytes = readFileSync(descriptor)
      if (bytes.byteLength > MAX_FILE_BYTES) throw new RangeError('is larger than 1 MiB')
      return bytes.toString('utf8')
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    throw new ConfigError([{ path: '', source: file, reason: `cannot be read: ${firstLine(error)}` }], error)
  }
}

/** Walks down as far as the document goes, so that a missing or unknown name is put on the line of its section. */
function locate(document: Document, lines: LineCounter, name: string, path: readonly PropertyKey[]): string {
  for (let length = path.length; length > 0; length--) {
    const start = startOf(document, path.slice(0, length))
    if (start !== undefined) return `${name}:${lines.linePos(start).line}`
  }
  return name
}

/** Where the key of the setting begins; its value may begin on a later line. */
function startOf(document: Document, path: readonly PropertyKey[]): number | undefined {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
  const last = path.at(-1)
  if (isMap(parent)) {
    const pair = parent.items.find((item) => isPair(item) && String(item.key) === String(last))
    return isNode(pair?.key) ? pair.key.range?.[0] : undefined
  }
  const node = document.getIn(path, true)
  return isNode(node) ? node.range?.[0] : undefined
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n', 1)[0] ?? message
}
