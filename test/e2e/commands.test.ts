import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { type BytesBySource, SHOAL, ShoalProcess } from '../support/shoal-process.ts'
import { generateIdentity, peerIdOf, saveIdentity } from '../../src/p2p/index.ts'
import { adminStatus, FaultLab, metricOf } from '../support/fault-lab.ts'
import { eventually } from '../support/p2p-swarm.ts'
import { type RunResult, run } from '../support/processes.ts'
import { freePort, testScope } from '../support/scope.ts'

const TEST_TIMEOUT_MS = 60_000
const COMMAND_TIMEOUT_MS = 30_000

/** An agent redials its tracker after half a second at first and twice a minute at last. */
const REJOIN_LIMIT_MS = 40_000

interface Layer {
  readonly digest: string
  readonly isComplete: boolean
}

async function shoal(...args: readonly string[]): Promise<RunResult> {
  return await run(SHOAL, args, { timeoutMs: COMMAND_TIMEOUT_MS })
}

test('pull fetches an image ahead and status shows what the agent has', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 1, trackers: 1 }))
  const [agent] = lab.swarm.agents
  assert.ok(agent)

  const pulled = await shoal('pull', lab.reference, '--admin', agent.adminUrl)

  assert.equal(pulled.code, 0, pulled.output)
  const lines = pulled.output.split('\n')
  assert.ok(lines[0]?.includes(lab.image.manifest.digest), pulled.output)
  for (const { digest } of lab.image.layers)
    assert.match(pulled.output, new RegExp(`^${digest.slice(7, 19)}  .*  done$`, 'm'))
  assert.match(pulled.output, /^done in /m)
  assert.match(pulled.output, /^trackers +[\d.]+ MB +\d+ %/m)
  assert.ok(!pulled.output.includes('\u001b'), 'no control sequences on a pipe')

  const again = await shoal('pull', lab.reference, '--admin', agent.adminUrl)
  assert.equal(again.code, 0, again.output)
  assert.match(again.output, /^this node +18\.\d MB +100 %/m)

  const shown = await shoal('status', '--admin', agent.adminUrl)
  assert.equal(shown.code, 0, shown.output)
  for (const { digest } of lab.image.layers)
    assert.match(shown.output, new RegExp(`^${digest.slice(7, 19)} .*100 %`, 'm'))
  assert.match(shown.output, /, ready$/m)

  const asJson = await shoal('status', '--json', '--admin', agent.adminUrl)
  const status = JSON.parse(asJson.output) as { layers: Layer[]; bytesBySource: BytesBySource }
  const complete = new Set(status.layers.filter(({ isComplete }) => isComplete).map(({ digest }) => digest))
  assert.ok(lab.image.layers.every(({ digest }) => complete.has(digest)))
  const { tracker, origin, peers } = status.bytesBySource
  assert.ok(tracker + origin + peers >= lab.image.blobBytes, asJson.output)

  for (const path of ['/livez', '/readyz', '/metrics']) assert.equal(await adminStatus(agent, path), 200, path)
  assert.equal(await metricOf(agent, 'shoal_scheduler_completed_blobs_total'), lab.image.layers.length + 1)
})

test('pull says what is wrong and what to do about it', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 1, trackers: 0 }))
  const [agent] = lab.swarm.agents
  assert.ok(agent)
  const pull = async (reference: string) => await shoal('pull', reference, '--admin', agent.adminUrl)

  const unknown = await pull(`${lab.origin.host}/lab/none:v1`)
  assert.equal(unknown.code, 1)
  assert.match(unknown.output, /has no lab\/none:v1/)

  const foreign = await pull('registry.example/team/app:v1')
  assert.equal(foreign.code, 1)
  assert.match(foreign.output, /registry\.example is not among the configured registries.*registries/)

  const malformed = await pull('Not/A:Reference:at:all')
  assert.equal(malformed.code, 1)
  assert.match(malformed.output, /not an image reference/)

  await lab.origin.stop()
  const down = await pull(lab.reference)
  assert.equal(down.code, 1)
  assert.ok(down.output.includes(lab.origin.host), down.output)
  assert.ok(!/\n\s+at /.test(down.output), `a stack is not for users: ${down.output}`)

  const nobody = await shoal('pull', lab.reference, '--admin', `http://127.0.0.1:${await freePort()}`)
  assert.equal(nobody.code, 1)
  assert.match(nobody.output, /is it running/)
})

test('an agent told to stop finishes the transfer under way', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 1, trackers: 0 }))
  const [agent] = lab.swarm.agents
  const layer = lab.image.layers[2]
  assert.ok(agent && layer)
  lab.origin.limitRate(4_000_000)

  const answer = await fetch(lab.urlAt(agent, `blobs/${layer.digest}`))
  const body = readAll(answer)
  await body.hasBegun
  agent.child.signal('SIGTERM')

  assert.equal(await body.digest, layer.digest)
  assert.deepEqual(await agent.child.exited(), { code: 0, signal: null })
})

test('an agent told to stop ends what takes longer than it may', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const settings = { timeouts: { stop: '1s' } }
  const lab = testScope(t).use(await FaultLab.start({ agents: 1, trackers: 0, settings }))
  const [agent] = lab.swarm.agents
  const layer = lab.image.layers[2]
  assert.ok(agent && layer)
  lab.origin.limitRate(400_000)

  const answer = await fetch(lab.urlAt(agent, `blobs/${layer.digest}`))
  const body = readAll(answer)
  await body.hasBegun
  const startMs = performance.now()
  agent.child.signal('SIGTERM')

  await assert.rejects(body.digest)
  assert.equal((await agent.child.exited()).code, 0)
  assert.ok(performance.now() - startMs < 10_000)
})

test('a restarted agent serves from its store with the origin gone', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 0, trackers: 0 }))
  const dataDir = join(lab.folder, 'data')
  const first = await lab.swarm.addAgent({ dataDir })
  await lab.pull(first)
  await first.child.stop()
  await lab.origin.stop()

  const second = await lab.swarm.addAgent({ dataDir })

  assert.equal(second.peerId, first.peerId)
  assert.equal((await lab.pull(second)).directBytes, 0)
  const { store, origin } = (await second.status()).bytesBySource
  assert.equal(origin, 0)
  assert.ok(store >= lab.image.blobBytes)
})

test('an agent killed in the middle of a pull goes on where it was', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const lab = testScope(t).use(await FaultLab.start({ agents: 0, trackers: 0 }))
  const dataDir = join(lab.folder, 'data')
  const first = await lab.swarm.addAgent({ dataDir })
  lab.origin.limitRate(6_000_000)
  const pulling = lab.pullFromMirror(first)
  pulling.catch(() => undefined)
  while (lab.origin.counts.blobBytes < 0.6 * lab.image.blobBytes) await sleep(10)
  await first.child.kill()
  await assert.rejects(pulling)

  const second = await lab.swarm.addAgent({ dataDir })

  assert.equal((await lab.pull(second)).directBytes, 0)
  const { origin } = (await second.status()).bytesBySource
  assert.ok(origin < 0.9 * lab.image.blobBytes, `${origin} bytes came from the origin again`)
})

test('an agent finds a tracker that comes later, and again after it has gone', { timeout: 120_000 }, async (t) => {
  const scope = testScope(t)
  const lab = scope.use(await FaultLab.start({ agents: 0, trackers: 0 }))
  const identity = await generateIdentity()
  const identityFile = join(lab.folder, 'tracker.key')
  await saveIdentity(identityFile, identity)
  const listen = `/ip4/127.0.0.1/tcp/${await freePort()}`
  const startTracker = async (): Promise<ShoalProcess> =>
    scope.use(
      await ShoalProcess.start({
        role: 'tracker',
        name: 'tracker',
        folder: join(lab.folder, 'tracker'),
        settings: {
          dataDir: join(lab.folder, 'tracker/data'),
          cluster: { keyFile: lab.keyFile },
          identity: { file: identityFile },
          store: { quota: '2GiB', minFree: '64MiB' },
          admin: { listen: '127.0.0.1:0' },
          p2p: { listen: [listen] },
          registries: { [lab.origin.host]: { url: lab.origin.url, access: 'open' } },
          log: { level: 'info', format: 'json' },
        },
      }),
    )
  const agent = await lab.swarm.addAgent({ trackers: [`${listen}/p2p/${peerIdOf(identity)}`] })
  const connectedCount = async () =>
    await metricOf(agent, 'shoal_discovery_bootstrap_dials_total', 'result="connected"')
  assert.equal(await adminStatus(agent, '/readyz'), 200)
  await sleep(1_000)

  const tracker = await startTracker()
  await eventually(async () => (await connectedCount()) >= 1, REJOIN_LIMIT_MS)
  await tracker.child.kill()
  await sleep(1_000)
  await startTracker()
  await eventually(async () => (await connectedCount()) >= 2, REJOIN_LIMIT_MS)

  assert.equal((await lab.pull(agent)).directBytes, 0)
  const taken = (await agent.status()).bytesBySource
  assert.ok(taken.tracker > 0.5 * lab.image.blobBytes, JSON.stringify(taken))
})

/** Reads a body: when its first bytes are there, and the digest of all of it. */
function readAll(answer: Response): { readonly hasBegun: Promise<void>; readonly digest: Promise<string> } {
  const begun = Promise.withResolvers<void>()
  const read = async (): Promise<string> => {
    const hash = createHash('sha256')
    for await (const bytes of answer.body ?? []) {
      hash.update(bytes)
      begun.resolve()
    }
    return `sha256:${hash.digest('hex')}`
  }
  const digest = read()
  digest.catch(begun.reject)
  return { hasBegun: begun.promise, digest }
}
