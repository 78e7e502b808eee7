import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EmbeddedRegistry } from '../../bench/demo/embedded-registry.ts'
import { type PullResult, pullAsContainerd } from '../../bench/demo/containerd-pull.ts'
import { type ClusterKey, generateClusterKey, saveClusterKey } from '../../src/p2p/index.ts'
import { CountingProxy } from './counting-proxy.ts'
import { type BuiltImage, buildImage } from './images.ts'
import { tempFolder } from './scope.ts'
import type { Settings, ShoalProcess } from './shoal-process.ts'
import { Swarm } from './swarm.ts'

/** What every lab has at its origin. */
export const REPOSITORY = 'lab/app'
export const TAG = 'v1'

/** Longest pull that a test waits for unless it states less: many times what a quiet machine needs. */
const PULL_TIMEOUT_MS = 60_000

/** The registry behind the counting origin is not what limits a test. */
const REGISTRY_BYTES_PER_SECOND = 1_000_000_000

export interface FaultLabInit {
  readonly agents: number
  readonly trackers: number
  /** Laid over the settings of every process. */
  readonly settings?: Settings
}

/** A cluster with a key that the test knows, pulled from as containerd would but in this process: needs no root. */
export class FaultLab implements AsyncDisposable {
  readonly image: BuiltImage
  readonly origin: CountingProxy
  readonly swarm: Swarm
  readonly clusterKey: ClusterKey
  readonly #owned: AsyncDisposableStack

  private constructor(parts: Pick<FaultLab, 'image' | 'origin' | 'swarm' | 'clusterKey'>, owned: AsyncDisposableStack) {
    this.image = parts.image
    this.origin = parts.origin
    this.swarm = parts.swarm
    this.clusterKey = parts.clusterKey
    this.#owned = owned
  }

  static async start({ agents, trackers, settings = {} }: FaultLabInit): Promise<FaultLab> {
    await using owned = new AsyncDisposableStack()
    const image = await buildImage('small')
    const registry = owned.use(
      await EmbeddedRegistry.start({
        image,
        repository: REPOSITORY,
        tag: TAG,
        bytesPerSecond: REGISTRY_BYTES_PER_SECOND,
      }),
    )
    const origin = owned.use(await CountingProxy.start({ target: registry.host }))
    const clusterKey = generateClusterKey()
    const keyFile = join(owned.use(await tempFolder('key')).path, 'cluster.key')
    await saveClusterKey(keyFile, clusterKey)
    const shared = { cluster: { keyFile }, ...settings }
    const swarm = owned.use(await Swarm.start({ agents, trackers, origins: [origin.host], settings: shared }))
    return new FaultLab({ image, origin, swarm, clusterKey }, owned.move())
  }

  /** The image by its tag. */
  get reference(): string {
    return `${this.origin.host}/${REPOSITORY}:${TAG}`
  }

  /** Pulls through the agent; throws unless every digest is right. */
  async pull(agent: ShoalProcess, timeoutMs = PULL_TIMEOUT_MS): Promise<PullResult> {
    return await pullAsContainerd({
      mirrorUrl: agent.mirrorUrl,
      namespace: this.origin.host,
      repository: REPOSITORY,
      tag: TAG,
      signal: AbortSignal.timeout(timeoutMs),
    })
  }

  /** URL at the agent's mirror of what stands behind `lab/app/`, with the namespace in the query. */
  urlAt(agent: ShoalProcess, path: string): string {
    return `${agent.mirrorUrl}/v2/${REPOSITORY}/${path}?ns=${encodeURIComponent(this.origin.host)}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }
}

/** Bytes of memory that the process has resident. */
export async function residentBytes({ child }: ShoalProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

/** Value of a metric without labels, or with exactly these as they are rendered (`direction="sent"`); 0 when it is not there. */
export async function metricOf(process: ShoalProcess, name: string, labels?: string): Promise<number> {
  const answer = await fetch(`${process.adminUrl}/metrics`, { signal: AbortSignal.timeout(5_000) })
  const series = labels === undefined ? name : `${name}{${labels}}`
  const line = (await answer.text()).split('\n').find((text) => text.startsWith(`${series} `))
  return line === undefined ? 0 : Number(line.slice(series.length + 1))
}
