import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultLab, metricOf } from '../support/fault-lab.ts'
import { eventually } from '../support/p2p-swarm.ts'
import { randomImage } from '../support/random-image.ts'
import { testScope } from '../support/scope.ts'
import type { ShoalProcess } from '../support/shoal-process.ts'

const MiB = 1024 * 1024
const LAYER_MIB = 60

/** Chunks in the order in which a start reads them. */
const ORDER = [41, 3, 17, 55, 8, 30, 22, 49]

/** Seconds on a busy machine; the recorder waits four for silence. */
const TEST_TIMEOUT_MS = 90_000

async function read(lab: FaultLab, agent: ShoalProcess, chunk: number): Promise<void> {
  const [layer] = lab.image.layers
  const start = chunk * MiB + 777
  const headers = { range: `bytes=${start}-${start + 4_999}`, 'user-agent': 'stargz-snapshotter' }
  const part = await fetch(lab.urlAt(agent, `blobs/${layer?.digest}`), { headers })
  assert.equal(part.status, 206)
  assert.equal((await part.arrayBuffer()).byteLength, 5_000)
}

interface Layers {
  readonly layers: readonly { readonly heldBytes: number }[]
}

async function heldBytes(agent: ShoalProcess): Promise<number> {
  return ((await agent.status()) as unknown as Layers).layers.reduce((sum, layer) => sum + layer.heldBytes, 0)
}

for (const trackers of [1, 0]) {
  test(`a start fetches what one on another node has read, which ${trackers ? 'the tracker' : 'that node'} tells`, {
    timeout: TEST_TIMEOUT_MS,
  }, async (t) => {
    const lab = testScope(t).use(
      await FaultLab.start({
        agents: 2,
        trackers,
        settings: { completion: { mode: 'off' } },
        images: async (folder) => [await randomImage(folder, [LAYER_MIB * MiB])],
      }),
    )
    const [first, second] = lab.swarm.agents
    assert.ok(first && second)
    for (const chunk of ORDER) await read(lab, first, chunk)
    await eventually(async () => (await metricOf(first, 'shoal_traces_recorded_total')) === 1, 20_000)

    await read(lab, second, ORDER[0] ?? 0)
    await eventually(async () => (await heldBytes(second)) >= ORDER.length * MiB, 20_000)
    const source = trackers > 0 ? 'tracker' : 'agent'
    assert.equal(await metricOf(second, 'shoal_traces_followed_total', `source="${source}"`), 1)
    for (const chunk of ORDER.slice(1)) await read(lab, second, chunk)
    assert.equal((await second.status()).bytesBySource.store, 0, 'it is counted as fetched, not as found')
    assert.equal(await heldBytes(second), ORDER.length * MiB, 'and nothing else was')
  })
}
