/** `npm run check`: every static check in turn, a line each; ends with 1 when any of them fails. */
import { readdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkLayers, findToothlessRules } from './support/layer-check.ts'
import { run } from './support/processes.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TOOL_TIMEOUT_MS = 180_000

/** Folders that hold the project's own code. */
const FOLDERS = ['src', 'test', 'bench']

interface Finding {
  readonly isFine: boolean
  /** A few words behind the name of the check, or everything it has to say when it failed. */
  readonly report: string
}

const checks: readonly (readonly [name: string, check: () => Promise<Finding>])[] = [
  ['types', async () => await tool('tsc', '--noEmit', '-p', '.')],
  ['format', async () => await tool('biome', 'format', '--max-diagnostics=20', '.')],
  ['lint', async () => await tool('oxlint', '--type-aware', '--format=unix', ...FOLDERS)],
  ['layers', layers],
  ['dead code', async () => await tool('knip', '--no-progress')],
]

/** The cruiser must have read every source file, and its rules must notice a tree that breaks them all. */
async function layers(): Promise<Finding> {
  const toothless = await findToothlessRules()
  if (toothless.length > 0) return { isFine: false, report: `rules that do not bite:\n${toothless.join('\n')}` }
  const { ownModules, violations } = await checkLayers(ROOT, FOLDERS)
  const seen = new Set(ownModules)
  const missed = (await sourceFiles()).filter((file) => !seen.has(file))
  if (missed.length > 0) return { isFine: false, report: `files that were not read:\n${missed.join('\n')}` }
  return {
    isFine: violations.length === 0,
    report: violations.join('\n') || `${ownModules.length} modules, every rule bites`,
  }
}

async function sourceFiles(): Promise<readonly string[]> {
  const files = await readdir(join(ROOT, 'src'), { recursive: true })
  return files.filter((file) => file.endsWith('.ts') && !file.endsWith('_pb.ts')).map((file) => `src/${file}`)
}

async function tool(command: string, ...args: readonly string[]): Promise<Finding> {
  const path = `${join(ROOT, 'node_modules/.bin')}${delimiter}${process.env.PATH}`
  const { code, output } = await run(command, args, { cwd: ROOT, env: { PATH: path }, timeoutMs: TOOL_TIMEOUT_MS })
  return { isFine: code === 0, report: code === 0 ? '' : output.trimEnd() }
}

let failedCount = 0
for (const [name, check] of checks) {
  const startMs = performance.now()
  const { isFine, report } = await check()
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1)
  if (isFine) console.log(`ok      ${name.padEnd(10)} ${seconds.padStart(5)} s  ${report}`.trimEnd())
  else console.log(`FAILED  ${name.padEnd(10)} ${seconds.padStart(5)} s\n${report}`)
  if (!isFine) failedCount += 1
}
console.log(failedCount === 0 ? 'all checks passed' : `${failedCount} of ${checks.length} checks failed`)
process.exitCode = failedCount === 0 ? 0 : 1
