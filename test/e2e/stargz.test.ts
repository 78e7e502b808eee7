import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateClusterKey, saveClusterKey } from '../../src/p2p/index.ts'
import { assertOk, ContainerLab, type ContainerLabInit } from '../support/container-lab.ts'
import { HostilePeer, inverted } from '../support/hostile-peer.ts'
import { type BuiltImage, buildImage, GREETING } from '../support/images.ts'
import { buildLazyImage } from '../support/lazy-image.ts'
import { LazyNode } from '../support/lazy-node.ts'
import { batchesIn, READ_ALL_COMMAND, sumIn, sumOfAll } from '../support/lazy-reading.ts'
import { ANY_BLOB } from '../support/origin-faults.ts'
import { longestOutageMs } from '../support/outage.ts'
import { tempFolder, testScope } from '../support/scope.ts'
import type { ShoalProcess } from '../support/shoal-process.ts'
import { stargzDaemon, stargzObstacle, withStargz } from '../support/stargz-daemon.ts'

/** The daemon is built once a machine; everything else is there within seconds. */
const PREPARE_TIMEOUT_MS = 230_000

/** Longest wait for a reader to get so far; a part of the time that a test has. */
const PROGRESS_TIMEOUT_MS = 40_000

/**
 * An agent is away for the time of one start, 1.3 s alone on this kind of machine; twice that beside other tests. stargz
 * repeats a refused request for about two and a half seconds; then the reader in the container sees an I/O error, which fails
 * the test whatever this says.
 */
const OUTAGE_LIMIT_MS = 3_000

/** Longer than the agent keeps a lazy reader waiting, so that it has to say that it cannot. */
const ORIGIN_FAILS_MS = 6_000

/** A lazy request is answered or refused in this time, and a reader can go on. */
const ANSWER_LIMIT_MS = 15_000

/** Slow enough that peers are asked before the origin has given everything. */
const SLOW_BYTES_PER_SECOND = 6_000_000

/** About twenty lines of a log. */
const LAST_WORDS_CHARS = 6_000

/** Each request with its client and status. */
const DEBUG_LOG = { log: { level: 'debug', format: 'json' } }

let image: BuiltImage
let rightSum: string

before(
  async () => {
    if (stargzObstacle() !== undefined) return
    const startMs = performance.now()
    let isBuilt = false
    await stargzDaemon(() => {
      isBuilt = true
    })
    if (isBuilt) console.log(`built the stargz snapshotter in ${((performance.now() - startMs) / 1_000).toFixed(0)} s`)
    image = await buildLazyImage('small')
    rightSum = await sumOfAll(await buildImage('small'))
  },
  { timeout: PREPARE_TIMEOUT_MS },
)

/** Starts a cluster; when the test has failed the last words of its processes are told. */
async function startLab(
  t: TestContext,
  scope: AsyncDisposableStack,
  { settings, ...init }: Omit<ContainerLabInit, 'image'>,
): Promise<ContainerLab> {
  const lab = scope.use(await ContainerLab.start({ image, ...init, settings: { ...DEBUG_LOG, ...settings } }))
  scope.defer(() => {
    if (t.passed) return
    for (const { name, child } of [...lab.swarm.trackers, ...lab.swarm.agents])
      t.diagnostic(`${name}: ${child.output.slice(-LAST_WORDS_CHARS)}`)
  })
  return lab
}

async function startNode(scope: AsyncDisposableStack, lab: ContainerLab, agent: ShoalProcess, fetchesAhead = false) {
  const node = await LazyNode.start({ registry: lab.origin.host, mirrorUrl: agent.mirrorUrl, fetchesAhead })
  return scope.use(node)
}

/** Asserts that a container of the mounted image runs and that each of its files has the right bytes. */
async function assertReadsRight(node: LazyNode, reference: string): Promise<void> {
  assert.match(await node.run(reference, image.command), new RegExp(GREETING))
  assert.equal(sumIn(await node.run(reference, READ_ALL_COMMAND)), rightSum)
}

/** Starts to read the whole image in a container; nothing is fetched ahead, so that it needs the agent all the way. */
async function startReader(scope: AsyncDisposableStack, node: LazyNode, reference: string) {
  assertOk(await node.pull(reference))
  const container = scope.use(await node.begin(reference, READ_ALL_COMMAND))
  const { child } = container
  /** Waits until so many batches of files were read; fails when that was all there is. */
  const reads = async (batches: number): Promise<void> =>
    await child.waitUntil(async () => batchesIn(child.output) >= batches, { timeoutMs: PROGRESS_TIMEOUT_MS })
  return { reads, finished: async () => sumIn(await container.finished()) }
}

/** Statuses that an agent with a log for debugging gave to lazy clients. */
function lazyStatuses({ child }: ShoalProcess): readonly number[] {
  const lines = child.output.split('\n').filter((line) => line.includes('"client":"lazy"'))
  return lines.flatMap((line) => {
    const status = /"status":(\d+)/.exec(line)?.[1]
    return status === undefined ? [] : [Number(status)]
  })
}

test(
  'stargz mounts an image in a cold swarm, then from peers, then with the origin gone',
  withStargz(90_000),
  async (t) => {
    const scope = testScope(t)
    const lab = await startLab(t, scope, { agents: 3, trackers: 1 })
    const [first, second, third] = lab.swarm.agents
    assert.ok(first && second && third)

    await t.test('the first node reads every byte right, and the origin gives one copy', async () => {
      const node = await startNode(scope, lab, first)
      assertOk(await node.pull(lab.reference))
      await assertReadsRight(node, lab.reference)
      await lab.originHasSent(image.blobBytes)
      await lab.assertOriginCopies(1.05)
      assert.equal((await node.snapshotter.mounts()).length, image.layers.length)
      // The snapshotter names no registry: what it asks for is known from the manifest that containerd fetched.
      assert.ok(first.child.output.includes('"client":"lazy","status":206'))
      assert.ok(first.child.output.includes('"via":"history"'))
    })

    await t.test('a second node, with all that stargz fetches ahead, asks the origin for no blob', async () => {
      lab.origin.counts.reset()
      const node = await startNode(scope, lab, second, true)
      assertOk(await node.pull(lab.reference))
      await assertReadsRight(node, lab.reference)
      assert.deepEqual(
        lab.origin.counts.requests.filter(({ path }) => ANY_BLOB.test(path)),
        [],
      )
    })

    await t.test('a third node mounts and runs it while the origin is gone', async () => {
      await lab.origin.stop()
      const node = await startNode(scope, lab, third)
      assertOk(await node.pull(lab.digestReference))
      await assertReadsRight(node, lab.digestReference)
    })
  },
)

test('a mounted image bears an agent that is stopped, and one that is killed', withStargz(90_000), async (t) => {
  const scope = testScope(t)
  const lab = await startLab(t, scope, { agents: 1, trackers: 1 })
  const [agent] = lab.swarm.agents
  assert.ok(agent)
  const node = await startNode(scope, lab, agent)
  const reader = await startReader(scope, node, lab.reference)

  let running = agent
  for (const [signal, batches] of [
    ['SIGTERM', 20],
    ['SIGKILL', 70],
  ] as const) {
    await reader.reads(batches)
    const outageMs = await longestOutageMs(agent.mirrorUrl, async () => {
      running.child.signal(signal)
      await running.child.exited()
      running = scope.use(await running.startAgain())
    })
    t.diagnostic(`${signal}: nobody could connect for ${outageMs.toFixed(0)} ms`)
    assert.ok(outageMs < OUTAGE_LIMIT_MS, `nobody could connect for ${outageMs} ms`)
  }

  assert.equal(await reader.finished(), rightSum)
})

test(
  'a mounted image bears the end of the peer that serves it, and a tracker that hangs',
  withStargz(90_000),
  async (t) => {
    const scope = testScope(t)
    const lab = await startLab(t, scope, { agents: 2, trackers: 1 })
    const [giver, agent] = lab.swarm.agents
    const [tracker] = lab.swarm.trackers
    assert.ok(giver && agent && tracker)
    const warm = await startNode(scope, lab, giver)
    assertOk(await warm.pull(lab.reference))
    await assertReadsRight(warm, lab.reference)
    const reader = await startReader(scope, await startNode(scope, lab, agent), lab.reference)

    await reader.reads(15)
    giver.child.signal('SIGKILL')
    await reader.reads(60)
    // One that is stopped cannot end in an orderly way.
    scope.defer(() => tracker.child.signal('SIGKILL'))
    tracker.child.signal('SIGSTOP')

    assert.equal(await reader.finished(), rightSum)
  },
)

test(
  'a mounted image bears an origin that fails for a while before the rest was read',
  withStargz(90_000),
  async (t) => {
    const scope = testScope(t)
    const lab = await startLab(t, scope, { agents: 1, trackers: 0 })
    const [agent] = lab.swarm.agents
    assert.ok(agent)
    const reader = await startReader(scope, await startNode(scope, lab, agent), lab.reference)

    await reader.reads(5)
    lab.origin.faults.inject({ path: ANY_BLOB, action: { kind: 'status', status: 503 } })
    const failing = sleep(ORIGIN_FAILS_MS)
    const { status, tookMs } = await readMiddle(agent)
    await failing
    lab.origin.faults.clear()

    assert.equal(await reader.finished(), rightSum)
    assert.ok(lab.origin.faults.takenCount > 0)
    assert.ok(status === 206 || status === 503, `status ${status}`)
    assert.ok(tookMs < ANSWER_LIMIT_MS, `an answer after ${tookMs} ms`)
    const statuses = new Set(lazyStatuses(agent))
    t.diagnostic(`the agent's statuses: ${[...statuses].join(', ')}`)
    assert.ok(
      statuses.isSubsetOf(new Set([200, 206, 503])),
      'a lazy client was told something else than that, or to come back',
    )
  },
)

test('wrong bytes of a hostile peer never reach a mounted image', withStargz(90_000), async (t) => {
  const scope = testScope(t)
  const key = generateClusterKey()
  const keyFile = join(scope.use(await tempFolder('key')).path, 'cluster.key')
  await saveClusterKey(keyFile, key)
  const lab = await startLab(t, scope, { agents: 2, trackers: 1, settings: { cluster: { keyFile } } })
  const [first, victim] = lab.swarm.agents
  assert.ok(first && victim)
  const warm = await startNode(scope, lab, first)
  assertOk(await warm.pull(lab.reference))
  await assertReadsRight(warm, lab.reference)
  await first.child.stop()
  const evil = scope.use(await HostilePeer.start(key, image, { bytes: inverted }))
  await evil.join(...lab.swarm.trackers, victim)
  lab.origin.limitRate(SLOW_BYTES_PER_SECOND)

  const node = await startNode(scope, lab, victim)
  assertOk(await node.pull(lab.reference))
  await assertReadsRight(node, lab.reference)

  assert.ok(evil.supply.askedCount > 0, 'the hostile peer was never asked')
})

/** Reads from the middle of the largest layer, far from what a reader has come to, as stargz asks for it. */
async function readMiddle({ mirrorUrl }: ShoalProcess): Promise<{ readonly status: number; readonly tookMs: number }> {
  const [largest] = image.layers.toSorted((a, b) => b.size - a.size)
  assert.ok(largest)
  const middle = Math.floor(largest.size / 2)
  const startMs = performance.now()
  const answer = await fetch(`${mirrorUrl}/v2/lab/app/blobs/${largest.digest}`, {
    headers: { range: `bytes=${middle}-${middle + 49_999}`, 'user-agent': 'Go-http-client/1.1' },
    signal: AbortSignal.timeout(2 * ANSWER_LIMIT_MS),
  })
  await answer.arrayBuffer()
  return { status: answer.status, tookMs: performance.now() - startMs }
}
