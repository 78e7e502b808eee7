import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { CountingProxy } from '../counting-proxy.ts'
import { DockerRegistry } from '../docker-registry.ts'
import { metricOf } from '../fault-lab.ts'
import { freePort } from '../scope.ts'
import type { Settings, ShoalProcess } from '../shoal-process.ts'
import { Swarm } from '../swarm.ts'

const REPOSITORY = 'lab/ranges'

/** Counts are looked at this often. */
const LOOK_MS = 25

/** What does not move for this long has come to rest: several times what a round trip and a chunk take. */
const REST_MS = 300

/** Longest wait for work to end that nobody wants any more. */
const SETTLE_LIMIT_MS = 5_000

/** One layer and where a reader finds it. */
export interface RangeLayer {
  readonly digest: string
  readonly bytes: Buffer
  /** `127.0.0.1:PORT` of the registry, which is its namespace. */
  readonly registry: string
  readonly repository: string
}

export interface RangeLabInit {
  readonly agents: number
  readonly trackers: number
  /** One layer of random bytes each. */
  readonly layerBytes: readonly number[]
}

/** A real registry with a counting front, layers nobody has, and a swarm whose agents also listen for that registry alone. */
export class RangeLab implements AsyncDisposable {
  readonly layers: readonly RangeLayer[]
  readonly origin: CountingProxy
  readonly swarm: Swarm
  readonly #owned: AsyncDisposableStack

  private constructor(layers: readonly RangeLayer[], origin: CountingProxy, swarm: Swarm, owned: AsyncDisposableStack) {
    this.layers = layers
    this.origin = origin
    this.swarm = swarm
    this.#owned = owned
  }

  static async start(init: RangeLabInit): Promise<RangeLab> {
    await using owned = new AsyncDisposableStack()
    const registry = owned.use(await DockerRegistry.start())
    const origin = owned.use(await CountingProxy.start({ target: registry.host }))
    const { agents, trackers } = init
    // What these tests count is what readers cause.
    const settings = { completion: { mode: 'off' } }
    const swarm = owned.use(await Swarm.start({ agents: 0, trackers, origins: [origin.host], settings }))
    for (let agent = 0; agent < agents; agent++) await swarm.addAgent(await ownListener(origin.host))
    const layers: RangeLayer[] = []
    for (const sizeBytes of init.layerBytes) layers.push(await pushLayer(registry, origin.host, sizeBytes))
    return new RangeLab(layers, origin, swarm, owned.move())
  }

  layer(index: number): RangeLayer {
    const layer = this.layers[index]
    if (layer === undefined) throw new Error(`the lab has ${this.layers.length} layers`)
    return layer
  }

  agent(index: number): ShoalProcess {
    const agent = this.swarm.agents[index]
    if (agent === undefined) throw new Error(`the lab has ${this.swarm.agents.length} agents`)
    return agent
  }

  /** Bytes of the layer that the origin has sent. */
  originBytes({ digest }: RangeLayer): number {
    return this.origin.counts.blobBytesByDigest.get(digest) ?? 0
  }

  /** Requests for bytes of the layer that the origin has answered. */
  originGets({ digest }: RangeLayer): number {
    return this.origin.counts.requests.filter(({ method, path }) => method === 'GET' && path.endsWith(digest)).length
  }

  /** The bytes that the origin has sent of the layer once it sends no more. */
  async originBytesAtRest(layer: RangeLayer): Promise<number> {
    let bytes = this.originBytes(layer)
    for (let restMs = 0; restMs < REST_MS; restMs += LOOK_MS) {
      await sleep(LOOK_MS)
      const now = this.originBytes(layer)
      if (now !== bytes) restMs = 0
      bytes = now
    }
    return bytes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }
}

/** Port of the listener that serves the lab's registry alone. */
export async function registryPort(agent: ShoalProcess): Promise<number> {
  const line = await agent.child.waitForLine(/"msg":"started"/, { timeoutMs: 1_000 })
  const { mirror = [] } = JSON.parse(line) as { mirror?: readonly string[] }
  return Number(new URL(`http://${mirror[1]}`).port)
}

/** Sum of a metric over all its labels. */
export async function metricSum(agent: ShoalProcess, name: string): Promise<number> {
  const answer = await fetch(`${agent.adminUrl}/metrics`)
  const lines = (await answer.text())
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

/** Waits until the agent answers no request and no reader waits in it. */
export async function untilFree(agent: ShoalProcess): Promise<void> {
  const untilMs = performance.now() + SETTLE_LIMIT_MS
  for (;;) {
    const open = await metricOf(agent, 'shoal_mirror_open_requests')
    const readers = await metricOf(agent, 'shoal_scheduler_readers')
    if (open === 0 && readers === 0) return
    if (performance.now() > untilMs) throw new Error(`${open} requests are open, ${readers} readers wait`)
    await sleep(LOOK_MS)
  }
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function ownListener(namespace: string): Promise<Settings> {
  return { mirror: { listeners: [{ address: `127.0.0.1:${await freePort()}`, namespace }] } }
}

/** Uploads random bytes as they are: tools that push images would compress them. */
async function pushLayer({ url }: DockerRegistry, namespace: string, sizeBytes: number): Promise<RangeLayer> {
  const bytes = randomBytes(sizeBytes)
  const digest = `sha256:${sha256Of(bytes)}`
  const begun = await fetch(`${url}/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST' })
  const target = new URL(begun.headers.get('location') ?? '', url)
  target.searchParams.set('digest', digest)
  const headers = { 'content-type': 'application/octet-stream' }
  const stored = await fetch(target, { method: 'PUT', headers, body: bytes })
  if (stored.status !== 201) throw new Error(`the registry answers ${stored.status} to a layer`)
  return { digest, bytes, registry: namespace, repository: REPOSITORY }
}
