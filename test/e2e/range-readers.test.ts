import assert from 'node:assert/strict'
import { test } from 'node:test'
import { metricOf } from '../support/fault-lab.ts'
import { ANY_BLOB } from '../support/origin-faults.ts'
import { eventually } from '../support/p2p-swarm.ts'
import { ContainerdParallelReader, FETCH_CHUNK_BYTES } from '../support/range-readers/containerd-parallel.ts'
import { metricSum, RangeLab, type RangeLayer, registryPort, untilFree } from '../support/range-readers/lab.ts'
import { NydusReader } from '../support/range-readers/nydus.ts'
import { OverlaybdReader } from '../support/range-readers/overlaybd.ts'
import { MAX_PARTS, PodmanChunkedReader } from '../support/range-readers/podman-chunked.ts'
import { SociReader } from '../support/range-readers/soci.ts'
import { assertPart, Wire } from '../support/range-readers/wire.ts'
import { testScope } from '../support/scope.ts'
import type { ShoalProcess } from '../support/shoal-process.ts'

const MIB = 1024 * 1024
const TEST_TIMEOUT_MS = 90_000

/** Beyond what a client took of an open range: the window ahead of it, the chunk under way, and what the sockets between hold. */
const OPEN_EXCESS_MIB = 4

/** What stargz and others read at a time. */
const SMALL_BYTES = 50_000

/** One copy, and what an agent takes from the origin itself when the machine is too busy for the tracker to answer in time. */
const ONE_COPY = 1.05

/** How long lazy clients go on trying after a 503, SOCI longest; a failed origin is left alone for a second or two. */
const RETRIES_MS = 10_000

/** Every client reads a layer of its own, so that it is the first to ask for it. */
interface Client {
  readonly name: string
  readonly layerBytes: number
  readonly reads: (agent: ShoalProcess, layer: RangeLayer) => Promise<void>
  /** Statuses for a layer that nobody can give, and that this client was not promised. */
  readonly refusals: (agent: ShoalProcess, layer: RangeLayer) => Promise<readonly number[]>
  readonly refusedWith: number
}

const clients: readonly Client[] = [
  {
    name: 'SOCI by spans',
    layerBytes: 24 * MIB + 777,
    async reads(agent, layer) {
      using soci = new SociReader(portOf(agent), layer)
      assert.equal(await soci.probe(), 206)
      await soci.readSpans()
    },
    async refusals(agent, layer) {
      using soci = new SociReader(portOf(agent), layer)
      return [await soci.probe()]
    },
    // Refused at its probe it mounts from the registry.
    refusedWith: 404,
  },
  {
    name: 'SOCI in parallel',
    layerBytes: 20 * MIB,
    async reads(agent, layer) {
      using soci = new SociReader(portOf(agent), layer)
      await soci.pullInParallel()
    },
    refusals: async () => [],
    refusedWith: 404,
  },
  {
    name: 'nydus at a listener of its registry',
    layerBytes: 16 * MIB + 5,
    async reads(agent, layer) {
      using nydus = new NydusReader(await registryPort(agent), layer, 'mirror')
      assert.equal(await nydus.head(), 200)
      await nydus.prefetch()
      await nydus.stream(12 * MIB + 1)
    },
    async refusals(agent, layer) {
      using nydus = new NydusReader(await registryPort(agent), layer, 'mirror')
      return [await nydus.statusOf(MIB, 2 * MIB)]
    },
    refusedWith: 503,
  },
  {
    name: 'nydus through a proxy',
    layerBytes: 8 * MIB,
    async reads(agent, layer) {
      using nydus = new NydusReader(portOf(agent), layer, 'proxy')
      assert.equal(await nydus.head(), 200)
      await nydus.prefetch()
    },
    async refusals(agent, layer) {
      using nydus = new NydusReader(portOf(agent), layer, 'proxy')
      return [await nydus.statusOf(MIB, 2 * MIB)]
    },
    refusedWith: 503,
  },
  {
    name: 'overlaybd',
    layerBytes: 12 * MIB + 1000,
    async reads(agent, layer) {
      using overlaybd = new OverlaybdReader(portOf(agent), layer)
      await overlaybd.readAtRandom([40, 7, 22])
      await overlaybd.download()
      using peerd = new OverlaybdReader(portOf(agent), layer, 'blobs')
      await peerd.readAtRandom([3])
    },
    async refusals(agent, layer) {
      using overlaybd = new OverlaybdReader(portOf(agent), layer)
      return [await overlaybd.statusOf(3)]
    },
    refusedWith: 503,
  },
  {
    name: 'containerd in parallel',
    layerBytes: 28 * MIB,
    async reads(agent, layer) {
      using containerd = new ContainerdParallelReader(portOf(agent), layer)
      await containerd.fetch()
    },
    async refusals(agent, layer) {
      using containerd = new ContainerdParallelReader(portOf(agent), layer)
      return [await containerd.statusOf(0), await containerd.statusOf(1)]
    },
    // It goes on at the registry for each request.
    refusedWith: 404,
  },
  {
    name: 'podman with zstd:chunked',
    layerBytes: 14 * MIB + 3,
    async reads(agent, layer) {
      using podman = new PodmanChunkedReader(portOf(agent), layer)
      await podman.readTableOfContents()
      await podman.readMissing(MAX_PARTS, 9_000)
      await podman.readMissing(2, 3 * MIB)
    },
    async refusals(agent, layer) {
      using podman = new PodmanChunkedReader(portOf(agent), layer)
      return [(await podman.get('bytes=5-9')).status, (await podman.get('bytes=0-1,100000-200000')).status]
    },
    refusedWith: 503,
  },
]

test('clients that read ranges', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const layerBytes = [...clients.map((client) => client.layerBytes), 8 * MIB, 8 * MIB]
  const lab = testScope(t).use(await RangeLab.start({ agents: 2, trackers: 1, layerBytes }))
  const [first, second] = [lab.agent(0), lab.agent(1)]

  for (const [index, { name, reads }] of clients.entries()) {
    await t.test(`${name}: cold through the swarm, then from peers alone`, async () => {
      const layer = lab.layer(index)
      await reads(first, layer)
      const originBytes = await lab.originBytesAtRest(layer)
      const getsBefore = lab.originGets(layer)
      assert.ok(originBytes <= ONE_COPY * layer.bytes.byteLength, `the origin sent ${originBytes} bytes`)

      await reads(second, layer)

      assert.equal(lab.originBytes(layer), originBytes)
      assert.equal(lab.originGets(layer), getsBefore)
      await untilFree(first)
      await untilFree(second)
    })
  }

  await t.test('of a layer that nobody can give each is told what makes it go on elsewhere or try again', async () => {
    const layer = lab.layer(clients.length)
    lab.origin.faults.inject({ path: ANY_BLOB, action: { kind: 'status', status: 503 } })
    const statuses = await Promise.all(clients.map(async ({ refusals }) => await refusals(first, layer)))
    lab.origin.faults.clear()

    for (const [index, { name, refusedWith }] of clients.entries())
      for (const status of statuses[index] ?? []) assert.equal(status, refusedWith, name)
  })

  await t.test('a lazy client that was accepted is told to try again, and served what is here', async () => {
    const layer = lab.layer(clients.length + 1)
    using soci = new SociReader(portOf(first), layer)
    using nydus = new NydusReader(portOf(first), layer, 'proxy')
    assert.equal(await soci.probe(), 206)
    lab.origin.faults.inject({ path: ANY_BLOB, action: { kind: 'status', status: 503 } })

    assert.equal(await nydus.statusOf(6 * MIB, 7 * MIB), 503)
    assert.equal(await soci.probe(), 206)
    await nydus.readRange(SMALL_BYTES, 2 * SMALL_BYTES)

    lab.origin.faults.clear()
    await eventually(async () => (await nydus.statusOf(6 * MIB, 7 * MIB)) === 206, RETRIES_MS)
    await nydus.readRange(6 * MIB, 7 * MIB)
  })
})

test('what ranges cost at an origin without a tracker', { timeout: TEST_TIMEOUT_MS }, async (t) => {
  const layerBytes = [28 * MIB, 8 * MIB, 32 * MIB, 16 * MIB, 16 * MIB]
  const lab = testScope(t).use(await RangeLab.start({ agents: 2, trackers: 0, layerBytes }))
  const [agent, other] = [lab.agent(0), lab.agent(1)]

  await t.test('an open range that is left costs what was read, a window and the chunk under way', async () => {
    const layer = lab.layer(0)
    using containerd = new ContainerdParallelReader(portOf(agent), layer)

    await containerd.fetchChunk(1)

    await untilFree(agent)
    const excessMib = ((await lab.originBytesAtRest(layer)) - FETCH_CHUNK_BYTES) / MIB
    t.diagnostic(`${excessMib} MiB more than was read from the origin`)
    assert.ok(excessMib <= OPEN_EXCESS_MIB, `${excessMib} MiB more than was read`)
    await containerd.fetch()
    assert.ok(lab.originBytes(layer) <= layer.bytes.byteLength + OPEN_EXCESS_MIB * MIB)
  })

  await t.test('nor does it cost more at peers', async () => {
    const layer = lab.layer(0)
    using containerd = new ContainerdParallelReader(portOf(other), layer)

    await containerd.fetchChunk(2)

    await untilFree(other)
    const { peers, origin } = (await other.status()).bytesBySource
    const excessMib = (peers + origin - FETCH_CHUNK_BYTES) / MIB
    t.diagnostic(`${excessMib} MiB more than was read from peers`)
    assert.ok(peers > 0 && excessMib <= OPEN_EXCESS_MIB, `${excessMib} MiB more than was read`)
  })

  await t.test('a hundred ranges of one chunk cost that chunk, no lookup, and memory from then on', async () => {
    const layer = lab.layer(1)
    using wire = new Wire(portOf(agent))
    const read = async (): Promise<void> => {
      // From the last to the first: a sequence would be read ahead of.
      const starts = Array.from({ length: 100 }, (_, i) => 5 * MIB + (99 - i) * 9_000)
      await Promise.all(starts.map(async (start) => await readSmall(wire, layer, start)))
    }

    await read()

    assert.equal(await lab.originBytesAtRest(layer), MIB)
    const walks = await metricSum(agent, 'shoal_discovery_finds_total')
    const diskBytes = await metricOf(agent, 'shoal_store_read_bytes_total')
    await read()
    assert.equal(await metricSum(agent, 'shoal_discovery_finds_total'), walks)
    assert.equal(await metricOf(agent, 'shoal_store_read_bytes_total'), diskBytes)
    assert.equal(lab.originBytes(layer), MIB)
  })

  await t.test('ranges here and there cost their chunks and no lookup each', async () => {
    const layer = lab.layer(2)
    using wire = new Wire(portOf(agent))
    await readSmall(wire, layer, 30 * MIB)
    const walks = await metricSum(agent, 'shoal_discovery_finds_total')
    for (const mib of [3, 17, 9, 25, 1, 21, 13, 28, 6]) await readSmall(wire, layer, mib * MIB + 1000)
    assert.equal(await lab.originBytesAtRest(layer), 10 * MIB)
    assert.equal(await metricSum(agent, 'shoal_discovery_finds_total'), walks)
  })

  await t.test('one range after the other is read ahead of, as far as has been read', async () => {
    const layer = lab.layer(3)
    using nydus = new NydusReader(portOf(agent), layer, 'proxy')
    for (const mib of [0, 1]) await nydus.readRange(mib * MIB, (mib + 1) * MIB)
    assert.equal(await lab.originBytesAtRest(layer), 2 * MIB)
    await nydus.readRange(2 * MIB, 3 * MIB)
    assert.equal(await lab.originBytesAtRest(layer), 6 * MIB)

    const requests = lab.originGets(layer)
    for (const mib of [3, 4, 5]) await nydus.readRange(mib * MIB, (mib + 1) * MIB)
    assert.equal(await lab.originBytesAtRest(layer), 10 * MIB)
    assert.ok(lab.originGets(layer) - requests <= 4)
  })

  await t.test('a reader whose peer is killed is served by the origin', async () => {
    const layer = lab.layer(4)
    using before = new NydusReader(portOf(agent), layer, 'proxy')
    await before.prefetch()
    const originBytes = await lab.originBytesAtRest(layer)
    using nydus = new NydusReader(portOf(other), layer, 'proxy')
    await nydus.prefetch(0, 4 * MIB)
    const reading = nydus.prefetch(4 * MIB)
    await agent.child.kill()
    await reading
    assert.ok(lab.originBytes(layer) <= originBytes + layer.bytes.byteLength)
  })
})

function portOf({ mirrorUrl }: ShoalProcess): number {
  return Number(new URL(mirrorUrl).port)
}

/** One range of `SMALL_BYTES` as stargz asks for it, with the registry in the query. */
async function readSmall(wire: Wire, layer: RangeLayer, start: number): Promise<void> {
  const { registry, repository, digest } = layer
  const end = start + SMALL_BYTES
  const answer = await wire.send({
    target: `/v2/${repository}/blobs/${digest}?ns=${encodeURIComponent(registry)}`,
    headers: {
      'User-Agent': 'Go-http-client/1.1',
      'Accept-Encoding': 'identity',
      Range: `bytes=${start}-${end - 1}`,
    },
  })
  assertPart(layer, answer, start, end)
}
