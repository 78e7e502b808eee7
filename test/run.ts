/**
 * `npm test [-- WORD ...]`: runs the test files whose path contains every word (`npm test -- unit store`). As root on
 * Debian it first installs the real clients and registries that the end-to-end tests drive.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'
import { installPackages, isDebian } from './support/debian-packages.ts'
import { containerObstacle, isRoot, missingPackages } from './support/requirements.ts'
import { hasStargzDaemon, missingStargzPackages, stargzDaemon, stargzObstacle } from './support/stargz-daemon.ts'
import { SuiteTimes } from './support/suite-times.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Quick ones first, so that a simple mistake shows early. */
const SUITES = ['unit', 'property', 'conformance', 'integration', 'simulation', 'e2e']

/** Longest that one test may take that sets no limit of its own. */
const TEST_TIMEOUT_MS = 60_000

/** Longest that everything may take before it counts as hung; more than twice what it needs on two slow cores. */
const TOTAL_TIMEOUT_MS = 45 * 60_000

/** Loaded into each test file's process: what bounds its life, and what says which examples it tries. */
const PRELOADED = ['support/file-deadline.ts', 'support/property-seed.ts'].flatMap((file) => [
  '--import',
  fileURLToPath(new URL(file, import.meta.url)),
])

/** Test files at the same time: what a machine with two cores bears without upsetting the tests of deadlines. */
const CONCURRENCY = 2

/** Each end-to-end test has a cluster of ten processes and more, which two cores have enough to do with. */
const E2E_CONCURRENCY = 1

/** The runner's totals begin with this diagnostic; the times of the suites are printed in front of it. */
const TOTALS_BEGIN = /^tests \d+$/

async function testFiles(suite: string, words: readonly string[]): Promise<readonly string[]> {
  const files = await readdir(join(ROOT, 'test', suite), { recursive: true }).catch(() => [])
  return files
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join('test', suite, file))
    .filter((file) => words.every((word) => file.includes(word)))
    .toSorted()
}

/** Installs what the tests with real programs need; says so, since it may take a minute, or some with a Go compiler. */
async function prepareContainers(withStargz: boolean): Promise<void> {
  await installMissing([...missingPackages(), ...(withStargz ? missingStargzPackages() : [])])
  if (!withStargz || stargzObstacle() !== undefined) return
  try {
    await stargzDaemon(() => console.log('building the stargz snapshotter, once on this machine'))
  } catch (error) {
    console.log(`could not build the stargz snapshotter: ${String(error)}`)
  }
}

async function installMissing(missing: readonly string[]): Promise<void> {
  if (missing.length === 0 || !isRoot() || !isDebian()) return
  console.log(`installing Debian packages for the end-to-end tests: ${missing.join(' ')}`)
  const problem = await installPackages(missing)
  if (problem !== undefined) console.log(`could not install them: ${problem}`)
}

/** Runs the files and prints the runner's own report; whether all passed. */
async function runFiles(files: readonly string[], concurrency: number): Promise<boolean> {
  if (files.length === 0) return true
  const times = new SuiteTimes(files)
  const report = new spec()
  report.pipe(process.stdout)
  let isFine = false
  const paths = files.map((file) => join(ROOT, file))
  const events = run({
    files: paths,
    cwd: ROOT,
    concurrency,
    timeout: TEST_TIMEOUT_MS,
    signal: AbortSignal.timeout(TOTAL_TIMEOUT_MS),
    execArgv: [...process.execArgv, ...PRELOADED],
  })
  for await (const event of events) {
    if (event.type === 'test:diagnostic' && TOTALS_BEGIN.test(event.data.message)) report.push(times.table())
    if (event.type === 'test:summary') {
      if (event.data.file === undefined) isFine = event.data.success
      else times.finished(event.data.file.slice(ROOT.length), event.data.counts, event.data.duration_ms)
    }
    report.write(event)
  }
  report.end()
  return isFine
}

const isEndToEnd = (file: string): boolean => file.startsWith('test/e2e/')

const words = process.argv.slice(2)
const found = (await Promise.all(SUITES.map(async (suite) => await testFiles(suite, words)))).flat()
// A Go compiler is much to ask of whoever runs everything; who names these tests wants them.
const leavesOutStargz = words.length === 0 && !hasStargzDaemon()
const files = found.filter((file) => !leavesOutStargz || !file.includes('stargz'))
const drivesContainers = files.some(isEndToEnd)
const drivesStargz = files.some((file) => file.includes('stargz'))
if (drivesContainers) await prepareContainers(drivesStargz)
const isQuickFine = await runFiles(
  files.filter((file) => !isEndToEnd(file)),
  CONCURRENCY,
)
const isSlowFine = await runFiles(files.filter(isEndToEnd), E2E_CONCURRENCY)
const isFine = files.length > 0 && isQuickFine && isSlowFine
const obstacle = drivesContainers ? containerObstacle() : undefined
if (obstacle !== undefined)
  console.log(`\nSKIPPED: every test with real containerd, docker-registry and skopeo (${obstacle})`)
const stargz = drivesStargz ? stargzObstacle() : undefined
if (stargz !== undefined) console.log(`\nSKIPPED: every test with the stargz snapshotter (${stargz})`)
if (leavesOutStargz)
  console.log('\nSKIPPED: every test with the stargz snapshotter (`npm test -- stargz` builds it, once, and runs them)')
if (files.length === 0) console.log(`no test file has all of these words in its path: ${words.join(' ')}`)
process.exitCode = isFine ? 0 : 1
