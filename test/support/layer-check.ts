import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ICruiseOptions, ICruiseResult, IViolation } from 'dependency-cruiser'
import './swc-visitor-using.ts'

const require = createRequire(import.meta.url)

interface LayerRules {
  readonly forbidden: NonNullable<ICruiseOptions['ruleSet']>['forbidden']
  readonly options: ICruiseOptions
}

export interface LayerReport {
  /** Files of the tree itself that were read, without packages. */
  readonly ownModules: readonly string[]
  /** `rule: from -> to`, one for each broken rule. */
  readonly violations: readonly string[]
}

/** Applies the layer rules to the folders below `baseFolder`. */
export async function checkLayers(baseFolder: string, folders: readonly string[]): Promise<LayerReport> {
  const { cruise } = await import('dependency-cruiser')
  const { forbidden, options } = require('../../.dependency-cruiser.cjs') as LayerRules
  const { enhancedResolveOptions, ...rest } = options
  const settings: ICruiseOptions = {
    ...rest,
    baseDir: baseFolder,
    validate: true,
    ruleSet: { forbidden: forbidden ?? [] },
  }
  const { output } = await cruise([...folders], settings, enhancedResolveOptions)
  const { modules, summary } = output as ICruiseResult
  const own = modules
    .map((module) => module.source)
    .filter((source) => folders.some((folder) => source.startsWith(`${folder}/`)))
  return { ownModules: own, violations: summary.violations.map(describe) }
}

/** Breaks every kind of rule once in a tree of its own; the rules that did not notice. */
export async function findToothlessRules(): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-layers-'))
  try {
    for (const [path, text] of Object.entries(BROKEN_TREE)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    const { violations } = await checkLayers(folder, ['src', 'test'])
    return MUST_BE_FOUND.filter((wanted) => !violations.some((found) => found === wanted))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** One file for each way to break a rule, in the forms of import that the project uses. */
const BROKEN_TREE: Readonly<Record<string, string>> = {
  'package.json':
    '{ "name": "broken", "type": "module", "dependencies": { "undici": "1" }, "devDependencies": { "lab": "1" } }',
  'node_modules/undici/package.json': '{ "name": "undici", "version": "1.0.0", "main": "index.js" }',
  'node_modules/undici/index.js': '',
  'node_modules/lab/package.json': '{ "name": "lab", "version": "1.0.0", "main": "index.js" }',
  'node_modules/lab/index.js': '',
  'src/main.ts': "import './core/word.ts'",
  'src/core/index.ts': "import type { Agent } from '../agent/index.ts'\nexport type Word = Agent",
  'src/core/word.ts': "await using held = await import('undici')",
  'src/agent/index.ts': "export type Agent = string\nimport '../store/file.ts'",
  'src/store/index.ts': "export { x } from '../origin/index.ts'",
  'src/store/file.ts': "import http from 'node:http'\nimport 'lab'\nimport './nowhere.ts'\nimport '../../test/fake.ts'",
  'src/origin/index.ts': "import '../strange/index.ts'\nexport const x = 1",
  'src/strange/index.ts': 'export const y = 2',
  'src/scheduler/index.ts': "import '../store/index.ts'\nimport { a } from './a.ts'\nexport { a }",
  'src/scheduler/a.ts': "import { b } from './b.ts'\nexport const a = b",
  'src/scheduler/b.ts': "import { a } from './a.ts'\nexport const b = a",
  'test/fake.ts': 'export const z = 3',
}

const MUST_BE_FOUND = [
  'imports-go-down-core: src/core/index.ts -> src/agent/index.ts',
  'imports-go-down-store: src/store/index.ts -> src/origin/index.ts',
  'enter-by-the-door: src/agent/index.ts -> src/store/file.ts',
  'main-enters-by-the-door: src/main.ts -> src/core/word.ts',
  'only-its-owner-imports-undici: src/core/word.ts -> node_modules/undici/index.js',
  'only-its-owner-imports-node-http: src/store/file.ts -> http',
  'scheduler-sees-no-doors-to-the-world: src/scheduler/index.ts -> src/store/index.ts',
  'known-module: src/origin/index.ts -> src/strange/index.ts',
  'source-imports-no-tests: src/store/file.ts -> test/fake.ts',
  'no-development-packages: src/store/file.ts -> node_modules/lab/index.js',
  'no-unresolvable: src/store/file.ts -> ./nowhere.ts',
  'no-cycles: src/scheduler/a.ts -> src/scheduler/b.ts',
]

function describe({ rule, from, to }: IViolation): string {
  return `${rule.name}: ${from} -> ${to}`
}
