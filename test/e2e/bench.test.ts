import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Child, run } from '../support/processes.ts'
import { isRoot, missingPackages } from '../support/requirements.ts'
import { tempFolder, testScope } from '../support/scope.ts'

const BENCH = fileURLToPath(new URL('../../bench/main.ts', import.meta.url))
const NODE_ARGS = ['--max-semi-space-size=1', BENCH]

/** What a cold wave of three small pulls may cost the origin, also when all start in the same moment. */
const SANE_COPIES = 2

test('a cold wave reports what it measured', { timeout: 60_000 }, async (t) => {
  const folder = testScope(t).use(await tempFolder('bench-test')).path
  const json = join(folder, 'wave.json')
  const flags = ['--nodes', '3', '--size', '8MiB', '--runs', '1', '--settle', '0', '--json', json]

  const { code, output } = await run(process.execPath, [...NODE_ARGS, 'cold-wave', ...flags], { timeoutMs: 50_000 })

  assert.equal(code, 0, output)
  const { scenario, params, machine, results } = JSON.parse(await readFile(json, 'utf8'))
  assert.equal(scenario, 'cold-wave')
  assert.deepEqual([params.nodes, params.sizeBytes, params.isShaped], [3, 8 * 1024 * 1024, false])
  assert.ok(machine.cores > 0)
  assert.equal(results.failedPulls, 0)
  assert.ok(results.imageBytes >= 8 * 1024 * 1024)
  assert.ok(results.originRatio >= 1 && results.originRatio <= SANE_COPIES, output)
  assert.ok(results.makespanSeconds > 0 && results.peerShare > 0 && results.peerShare <= 1, output)
  assert.ok(results.baseline.originRatio >= 3, 'without Shoal every node takes its own copy')
  assert.match(await readFile(join(folder, 'wave.svg'), 'utf8'), /^<svg /)
})

test('nobody fails when others are killed and join in the middle of a pull', { timeout: 60_000 }, async (t) => {
  const json = join(testScope(t).use(await tempFolder('bench-test')).path, 'churn.json')
  const flags = ['--nodes', '3', '--kills', '1', '--joins', '1', '--size', '8MiB', '--runs', '1', '--no-baseline']

  const { code, output } = await run(process.execPath, [...NODE_ARGS, 'churn', ...flags, '--json', json], {
    timeoutMs: 50_000,
  })

  assert.equal(code, 0, output)
  const { results } = JSON.parse(await readFile(json, 'utf8'))
  assert.deepEqual([results.failures, results.failedPulls, results.killed, results.joined], [0, 0, 1, 1])
})

test('wrong usage is explained and ends with code 2', async () => {
  for (const [args, reason] of [
    [['cold-wave', '--nodes', 'many'], /whole number/],
    [['cold-wave', '--size', '1TiB'], /256MiB/],
    [['cold-wave', '--no-tracker', '--kill', 'tracker'], /needs a tracker/],
    [['no-such-thing'], /bench -- --help/],
  ] as const) {
    const { code, output } = await run(process.execPath, [...NODE_ARGS, ...args], { timeoutMs: 20_000 })
    assert.equal(code, 2, output)
    assert.match(output, reason)
  }
})

test('an interrupted run leaves nothing behind', { timeout: 60_000 }, async () => {
  const isShaped = isRoot() && !missingPackages().includes('iproute2')
  const rate = isShaped ? ['--rate', '10mbit'] : []
  const args = [...NODE_ARGS, 'cold-wave', '--nodes', '2', '--size', '64MiB', ...rate]
  await using bench = await Child.start({ name: 'bench', command: process.execPath, args })
  await bench.waitForLine(/^(warming up|wave 1)/, { timeoutMs: 40_000 })
  const name = `shoal-bench-${bench.pid}-`
  assert.notDeepEqual(await thingsCalled(name), [], 'the test looks in the right place')

  bench.signal('SIGINT')

  assert.equal((await bench.exited()).code, 130, bench.output)
  assert.deepEqual(await thingsCalled(name), [])
})

/** Temporary folders and network namespaces of that name, and processes that have it on their command line. */
async function thingsCalled(name: string): Promise<readonly string[]> {
  const folders = await readdir(tmpdir())
  const namespaces = existsSync('/run/netns') ? await readdir('/run/netns') : []
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))
  const lines = await Promise.all(
    pids.map(async (pid) => await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  )
  return [...folders, ...namespaces, ...lines].filter((text) => text.includes(name))
}
