import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { FaultLab, type LabOrigin } from '../support/fault-lab.ts'
import { type BuiltImage, blobPath } from '../support/images.ts'
import { testScope } from '../support/scope.ts'
import type { ShoalProcess } from '../support/shoal-process.ts'
import { estargzLayer, zstdChunkedLayer } from '../support/toc-layers.ts'
import { someFiles, tocImage, withOneChanged } from '../support/toc-image.ts'

const TEST_TIMEOUT_MS = 120_000

/** Some 12 MB of files that each are a part of a chunk. */
const FILES = someFiles(120, 100_000)
const CHANGED = withOneChanged(FILES, 60)

/** One changed file costs the chunk that it is in, perhaps its neighbours, and the table of contents at the end. */
const MAX_FRESH_BYTES = 4 * 1024 * 1024

const FORMATS = { eStargz: estargzLayer, 'zstd:chunked': zstdChunkedLayer } as const

interface Versions {
  readonly lab: FaultLab
  readonly v1: LabOrigin
  readonly v2: LabOrigin
}

/** A cluster, and two versions of an image that differ in one file. */
async function versions(
  scope: AsyncDisposableStack,
  swarm: { readonly agents: number; readonly trackers: number },
  make: (folder: string) => Promise<readonly [BuiltImage, BuiltImage]>,
): Promise<Versions> {
  const lab = scope.use(await FaultLab.start({ ...swarm, images: make }))
  const [v1, v2] = lab.origins
  assert.ok(v1 && v2)
  return { lab, v1, v2 }
}

async function bothVersions(folder: string, layerOf = estargzLayer): Promise<readonly [BuiltImage, BuiltImage]> {
  return [await tocImage(folder, 'v1', layerOf(FILES)), await tocImage(folder, 'v2', layerOf(CHANGED))]
}

/** Bytes that the agent had to be sent since it started. */
async function fetchedBytes(agent: ShoalProcess): Promise<number> {
  const { peers, tracker, origin } = (await agent.status()).bytesBySource
  return peers + tracker + origin
}

/** Pulls and gives the bytes that the agent was sent for it. */
async function fetchedFor(lab: FaultLab, agent: ShoalProcess, from: LabOrigin): Promise<number> {
  const before = await fetchedBytes(agent)
  const { directBytes } = await lab.pullFromMirror(agent, { from })
  assert.equal(directBytes, 0)
  return (await fetchedBytes(agent)) - before
}

for (const [format, layerOf] of Object.entries(FORMATS))
  test(`what a new version of an ${format} image shares with the old one comes from the store`, {
    timeout: TEST_TIMEOUT_MS,
  }, async (t) => {
    const { lab, v1, v2 } = await versions(
      testScope(t),
      { agents: 2, trackers: 1 },
      async (folder) => await bothVersions(folder, layerOf),
    )
    const [first, second] = lab.swarm.agents
    assert.ok(first && second)
    for (const agent of [first, second]) await lab.pullFromMirror(agent, { from: v1 })

    const cold = await fetchedFor(lab, first, v2)
    const warm = await fetchedFor(lab, second, v2)

    assert.ok(cold < MAX_FRESH_BYTES, `the first agent was sent ${cold} bytes`)
    assert.ok(warm < MAX_FRESH_BYTES, `the second agent was sent ${warm} bytes`)
    const copies = v2.registry.counts.blobBytes / v2.image.blobBytes
    assert.ok(copies < 1.05, `the origin gave ${copies} copies`)
  })

test('without a tracker agents find the cut for themselves and share it', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const { lab, v1, v2 } = await versions(testScope(t), { agents: 2, trackers: 0 }, bothVersions)
  const [first, second] = lab.swarm.agents
  assert.ok(first && second)
  for (const agent of [first, second]) await lab.pullFromMirror(agent, { from: v1 })
  await lab.pullFromMirror(first, { from: v2 })
  v2.registry.counts.reset()

  const fetched = await fetchedFor(lab, second, v2)

  assert.ok(fetched < MAX_FRESH_BYTES, `${fetched} bytes were sent`)
  const share = v2.registry.counts.blobBytes / v2.image.blobBytes
  assert.ok(share < 0.1, `${share} of the layer came from the origin once more`)
})

test('ranges of a layer cut along its table of contents are its bytes', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const { lab, v1 } = await versions(testScope(t), { agents: 1, trackers: 1 }, bothVersions)
  const [agent] = lab.swarm.agents
  const [layer] = v1.image.layers
  assert.ok(agent && layer)
  const namespace = v1.registry.host
  const manifest = await fetch(lab.urlAt(agent, `manifests/${v1.image.manifest.digest}`, namespace))
  await manifest.arrayBuffer()
  const bytes = await readFile(blobPath(v1.image.layoutFolder, layer.digest))
  const ranges = [
    [0, 1],
    [99_990, 100_020],
    [layer.size - 60, layer.size],
    [3_000_000, 5_500_000],
    [1_048_575, 1_048_577],
  ] as const
  for (const [start, end] of ranges) {
    const answer = await fetch(lab.urlAt(agent, `blobs/${layer.digest}`, namespace), {
      headers: { range: `bytes=${start}-${end - 1}` },
    })
    assert.equal(answer.status, 206)
    assert.ok(bytes.subarray(start, end).equals(Buffer.from(await answer.arrayBuffer())), `bytes ${start} to ${end}`)
  }
  const [held] = (
    (await agent.status()) as unknown as { layers: { digest: string; heldBytes: number }[] }
  ).layers.filter(({ digest }) => digest === layer.digest)
  assert.ok(held !== undefined && held.heldBytes < layer.size)
})

test('a manifest that names another table of contents costs sharing and not the pull', {
  timeout: TEST_TIMEOUT_MS,
}, async (t) => {
  const wrong = `sha256:${createHash('sha256').update('another').digest('hex')}`
  const spoilt = async (folder: string) => {
    const annotations = { 'containerd.io/snapshot/stargz/toc.digest': wrong }
    return [
      await tocImage(folder, 'v1', { ...estargzLayer(FILES), annotations }),
      await tocImage(folder, 'v2', { ...estargzLayer(CHANGED), annotations }),
    ] as const
  }
  const { lab, v1, v2 } = await versions(testScope(t), { agents: 2, trackers: 1 }, spoilt)
  const [first, second] = lab.swarm.agents
  assert.ok(first && second)
  for (const agent of [first, second]) await lab.pullFromMirror(agent, { from: v1 })
  v2.registry.counts.reset()
  for (const agent of [first, second]) await lab.pullFromMirror(agent, { from: v2 })
  const copies = v2.registry.counts.blobBytes / v2.image.blobBytes
  assert.ok(copies < 1.1, `the origin gave ${copies} copies`)
})

test('two agents that cut a layer in two ways both have it', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const { lab, v1 } = await versions(testScope(t), { agents: 2, trackers: 1 }, bothVersions)
  const [blind, seeing] = lab.swarm.agents
  const [layer] = v1.image.layers
  const [tracker] = lab.swarm.trackers
  assert.ok(blind && seeing && layer && tracker)
  await lab.pullFromMirror(seeing, { from: v1 })
  // Who asks for the layer without having seen a manifest cuts it by the grid, which nobody else has.
  const answer = await fetch(lab.urlAt(blind, `blobs/${layer.digest}`, v1.registry.host))
  assert.equal(answer.status, 200)
  const digest = createHash('sha256')
    .update(Buffer.from(await answer.arrayBuffer()))
    .digest('hex')
  assert.equal(`sha256:${digest}`, layer.digest)
  assert.equal(await lab.pullFromMirror(seeing, { from: v1 }).then(({ directBytes }) => directBytes), 0)
})
