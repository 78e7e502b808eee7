import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultLab, metricOf } from '../support/fault-lab.ts'
import { eventually } from '../support/p2p-swarm.ts'
import { randomImage } from '../support/random-image.ts'
import { testScope } from '../support/scope.ts'
import type { ShoalProcess } from '../support/shoal-process.ts'

const MiB = 1024 * 1024
const LAYERS = [24 * MiB + 777, 40 * MiB, 12 * MiB + 1]

/** Everything on two shared cores takes some seconds; what hangs must not take the suite with it. */
const TEST_TIMEOUT_MS = 120_000

/** What a peer must not be spared: two chunks of a map nobody vouches for are compared with the registry. */
const SAMPLED_BYTES = 64 * 1024

interface Completion {
  readonly mode: string
  readonly state: string
  readonly because?: string
  readonly layers: readonly { readonly digest: string; readonly state: string }[]
  readonly done: number
}

/** The agent's word on what it completes. */
async function completionOf(agent: ShoalProcess): Promise<Completion> {
  return ((await agent.status()) as unknown as { completion: Completion }).completion
}

/** A few kilobytes from here and there in every layer, as a lazy snapshotter reads them. */
async function readLazily(lab: FaultLab, agent: ShoalProcess): Promise<void> {
  for (const path of [`manifests/v1`, `blobs/${lab.image.config.digest}`]) {
    const whole = await fetch(lab.urlAt(agent, path))
    assert.equal(whole.status, 200)
    await whole.arrayBuffer()
  }
  for (const { digest, size } of lab.image.layers) {
    for (const start of [0, Math.floor(size / 2), size - 5_000]) {
      const headers = { range: `bytes=${start}-${start + 4_999}`, 'user-agent': 'stargz-snapshotter' }
      const part = await fetch(lab.urlAt(agent, `blobs/${digest}`), { headers })
      assert.equal(part.status, 206)
      assert.equal((await part.arrayBuffer()).byteLength, 5_000)
    }
  }
}

async function lab(settings: object, agents = 2): Promise<FaultLab> {
  return await FaultLab.start({
    agents,
    trackers: 1,
    settings: { completion: settings },
    images: async (folder) => [await randomImage(folder, LAYERS)],
  })
}

test('an image read in part is completed from peers, and reads back with every peer and the registry gone', {
  timeout: TEST_TIMEOUT_MS,
}, async (t) => {
  const scope = testScope(t)
  const cluster = scope.use(await lab({ quiet: '1s' }))
  const [holder, reader] = cluster.swarm.agents
  assert.ok(holder && reader)
  await cluster.pullFromMirror(holder)
  const originBytes = cluster.origin.counts.blobBytes
  await readLazily(cluster, reader)
  assert.ok((await completionOf(reader)).layers.length > 0, 'its layers are to be completed')
  await eventually(async () => {
    const { done, state } = await completionOf(reader)
    return done === LAYERS.length && state === 'idle'
  }, 60_000)
  assert.partialDeepStrictEqual(await completionOf(reader), { mode: 'idle', layers: [] })
  assert.equal(await metricOf(reader, 'shoal_completion_layers_total', 'outcome="done"'), LAYERS.length)
  assert.ok(cluster.origin.counts.blobBytes - originBytes <= SAMPLED_BYTES, 'from peers, not from the registry')

  await holder.child.stop()
  for (const tracker of cluster.swarm.trackers) await tracker.child.stop()
  await cluster.origin[Symbol.asyncDispose]()
  const { blobBytes } = await cluster.pullFromMirror(reader)
  assert.equal(blobBytes, cluster.image.blobBytes)
})

test('agents that complete what nobody has take one copy from the registry', {
  timeout: TEST_TIMEOUT_MS,
}, async (t) => {
  const scope = testScope(t)
  const cluster = scope.use(await lab({ mode: 'now' }, 3))
  await Promise.all(cluster.swarm.agents.map(async (agent) => await readLazily(cluster, agent)))
  for (const agent of cluster.swarm.agents)
    await eventually(async () => (await completionOf(agent)).state === 'idle', 60_000)
  const copies = cluster.origin.counts.blobBytes / cluster.image.blobBytes
  t.diagnostic(`${copies} copies`)
  assert.ok(copies <= 1.1, `${copies} copies`)
})

test('nothing more is fetched than what was read where that is switched off', {
  timeout: TEST_TIMEOUT_MS,
}, async (t) => {
  const scope = testScope(t)
  const cluster = scope.use(await lab({ mode: 'off' }, 1))
  const [reader] = cluster.swarm.agents
  assert.ok(reader)
  await readLazily(cluster, reader)
  assert.partialDeepStrictEqual(await completionOf(reader), { mode: 'off', state: 'idle', layers: [] })
})
