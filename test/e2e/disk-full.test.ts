import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { adminStatus, FaultLab, type LabOrigin, metricOf } from '../support/fault-lab.ts'
import { eventually } from '../support/p2p-swarm.ts'
import { run } from '../support/processes.ts'
import { randomImage } from '../support/random-image.ts'
import { isRoot } from '../support/requirements.ts'
import { tempFolder, testScope } from '../support/scope.ts'
import { SHOAL, type ShoalProcess } from '../support/shoal-process.ts'

const TEST_TIMEOUT_MS = 60_000
const MIB = 1024 * 1024

/** Less than the image has, and more than its smallest layer. */
const SMALL_QUOTA = '6MiB'

const NO_GUARD = '0B'

test('an image larger than the quota is served whole, and the log says that it is not all kept', {
  timeout: TEST_TIMEOUT_MS,
}, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 0, trackers: 0 }))
  const agent = await lab.swarm.addAgent({ store: { quota: SMALL_QUOTA, minFree: NO_GUARD } })

  assert.equal((await lab.pull(agent)).directBytes, 0)
  assert.equal((await lab.pull(agent)).directBytes, 0)

  await assertPassedThrough(agent)
  assert.ok((await metricOf(agent, 'shoal_store_used_bytes')) <= 6 * MIB)
})

test('an image larger than the quota is served whole by an agent that has it from a tracker', {
  timeout: TEST_TIMEOUT_MS,
}, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 0, trackers: 1 }))
  const agent = await lab.swarm.addAgent({ store: { quota: SMALL_QUOTA, minFree: NO_GUARD } })

  assert.equal((await lab.pull(agent)).directBytes, 0)

  await assertPassedThrough(agent)
})

test('an image larger than the disk is served whole, and the agent stays well', {
  timeout: TEST_TIMEOUT_MS,
  skip: isRoot() ? false : 'NOT TESTED: a real full disk; mounting a tmpfs needs root',
}, async (t) => {
  const scope = testScope(t)
  const lab = scope.use(await FaultLab.start({ agents: 0, trackers: 0 }))
  const disk = await smallDisk(scope, 10)
  const dataDir = join(disk, 'data')
  await mkdir(dataDir)
  // More than there is: the disk itself must be what says no.
  const agent = await lab.swarm.addAgent({ dataDir, store: { quota: '1GiB', minFree: NO_GUARD } })

  assert.equal((await lab.pull(agent)).directBytes, 0)
  assert.equal((await lab.pull(agent)).directBytes, 0)

  await assertPassedThrough(agent)
})

test('a disk that others fill up while the agent runs costs no pull', {
  timeout: TEST_TIMEOUT_MS,
  skip: isRoot() ? false : 'NOT TESTED: a real full disk; mounting a tmpfs needs root',
}, async (t) => {
  const scope = testScope(t)
  const lab = scope.use(await FaultLab.start({ agents: 0, trackers: 0 }))
  const disk = await smallDisk(scope, 64)
  const dataDir = join(disk, 'data')
  await mkdir(dataDir)
  const agent = await lab.swarm.addAgent({ dataDir, store: { quota: '1GiB', minFree: NO_GUARD } })
  lab.origin.limitRate(8_000_000)

  const pulling = lab.pull(agent)
  while (lab.origin.counts.blobBytes < 0.3 * lab.image.blobBytes) await sleep(10)
  // Ends with an error once the disk is full.
  spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'others')}`, 'bs=64k'])

  assert.equal((await pulling).directBytes, 0)
  assert.equal((await lab.pull(agent)).directBytes, 0)
  await assertPassedThrough(agent)
})

test('images beyond the quota push out those used longest ago', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const images = async (folder: string) =>
    await Promise.all([1, 2, 3, 4].map(async () => await randomImage(folder, [3 * MIB, 2 * MIB])))
  const lab = testScope(t).use(await FaultLab.start({ agents: 0, trackers: 0, images }))
  const agent = await lab.swarm.addAgent({ store: { quota: '13MiB', minFree: NO_GUARD } })

  for (const from of lab.origins) assert.equal((await lab.pull(agent, { from })).directBytes, 0)

  const [first, , , last] = lab.origins
  assert.ok(first && last)
  const holds = async ({ image }: LabOrigin, layers: 'all' | 'none') => {
    const held = await heldLayers(agent)
    return image.layers.every(({ digest }) => held.has(digest) === (layers === 'all'))
  }
  // A pull is over before its last layer was checked as a whole.
  await eventually(async () => await holds(last, 'all'))
  assert.ok(await holds(first, 'none'))
  assert.ok((await metricOf(agent, 'shoal_store_evictions_total', 'kind="blob"')) >= 2)
  assert.equal((await lab.pull(agent, { from: first })).directBytes, 0)
  assert.equal(await adminStatus(agent, '/readyz'), 200)
})

test('an image that has no room cannot be fetched ahead, and the command says so', {
  timeout: TEST_TIMEOUT_MS,
}, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 0, trackers: 0 }))
  const agent = await lab.swarm.addAgent({ store: { quota: SMALL_QUOTA, minFree: NO_GUARD } })

  const args = ['pull', lab.reference, '--admin', agent.adminUrl]
  const { code, output } = await run(SHOAL, args, { timeoutMs: 20_000 })

  assert.equal(code, 1, output)
  assert.match(output, /room/)
})

/** Asserts that the agent says that it could not keep what it served, and is well. */
async function assertPassedThrough(agent: ShoalProcess): Promise<void> {
  assert.match(agent.child.output, /passing (it )?through/)
  assert.equal(await adminStatus(agent, '/livez'), 200)
  assert.equal(await adminStatus(agent, '/readyz'), 200)
}

async function heldLayers(agent: ShoalProcess): Promise<ReadonlySet<string>> {
  const answer = await fetch(`${agent.adminUrl}/status`, { headers: { accept: 'application/json' } })
  const { layers } = (await answer.json()) as { layers: { digest: string; isComplete: boolean }[] }
  return new Set(layers.filter(({ isComplete }) => isComplete).map(({ digest }) => digest))
}

/** A disk of so many MiB, mounted in a folder of its own. */
async function smallDisk(scope: AsyncDisposableStack, sizeMiB: number): Promise<string> {
  const folder = scope.use(await tempFolder('disk')).path
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', folder])
  scope.defer(() => {
    execFileSync('umount', ['--lazy', folder])
  })
  return folder
}
