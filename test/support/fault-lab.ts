import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type PullResult, pullAsContainerd } from '../../bench/lab/containerd-pull.ts'
import type { PullHost } from '../../bench/lab/host-chain.ts'
import { EmbeddedRegistry } from '../../bench/demo/embedded-registry.ts'
import { type ClusterKey, generateClusterKey, saveClusterKey } from '../../src/p2p/index.ts'
import { CountingProxy } from './counting-proxy.ts'
import { type BuiltImage, buildImage } from './images.ts'
import { tempFolder } from './scope.ts'
import type { Settings, ShoalProcess } from './shoal-process.ts'
import { Swarm } from './swarm.ts'

/** What every origin of a lab has. */
export const REPOSITORY = 'lab/app'
export const TAG = 'v1'

/** Longest pull that a test waits for unless it states less: many times what a quiet machine needs. */
const PULL_TIMEOUT_MS = 60_000

/** Longest wait for an answer of the admin server. */
const ADMIN_TIMEOUT_MS = 5_000

/** The registry behind the counting origin is not what limits a test. */
const REGISTRY_BYTES_PER_SECOND = 1_000_000_000

export interface FaultLabInit {
  readonly agents: number
  readonly trackers: number
  /** Laid over the settings of every process. */
  readonly settings?: Settings
  /** Images, each at an origin of its own; the small one of real programs when left out. */
  readonly images?: (folder: string) => Promise<readonly BuiltImage[]>
  /** More registries that may be pulled from, as `host:port`. */
  readonly otherOrigins?: readonly string[]
}

/** An image and the registry that it comes from. */
export interface LabOrigin {
  readonly image: BuiltImage
  readonly registry: CountingProxy
}

export interface LabPullOptions {
  readonly timeoutMs?: number
  /** The only or first origin when left out. */
  readonly from?: LabOrigin
}

interface Parts {
  readonly origins: readonly LabOrigin[]
  readonly swarm: Swarm
  readonly folder: string
  readonly clusterKey: ClusterKey
  readonly keyFile: string
}

/** A cluster with a key that the test knows, pulled from as containerd would but in this process: needs no root. */
export class FaultLab implements AsyncDisposable {
  readonly origins: readonly LabOrigin[]
  readonly swarm: Swarm
  /** A folder that goes away with the lab. */
  readonly folder: string
  readonly clusterKey: ClusterKey
  readonly keyFile: string
  readonly #owned: AsyncDisposableStack

  private constructor(parts: Parts, owned: AsyncDisposableStack) {
    this.origins = parts.origins
    this.swarm = parts.swarm
    this.folder = parts.folder
    this.clusterKey = parts.clusterKey
    this.keyFile = parts.keyFile
    this.#owned = owned
  }

  static async start(init: FaultLabInit): Promise<FaultLab> {
    await using owned = new AsyncDisposableStack()
    const folder = owned.use(await tempFolder('lab')).path
    const images = (await init.images?.(folder)) ?? [await buildImage('small')]
    const origins: LabOrigin[] = []
    for (const image of images) origins.push({ image, registry: await startOrigin(image, owned) })
    const clusterKey = generateClusterKey()
    const keyFile = join(folder, 'cluster.key')
    await saveClusterKey(keyFile, clusterKey)
    const swarm = owned.use(
      await Swarm.start({
        agents: init.agents,
        trackers: init.trackers,
        origins: [...origins.map(({ registry }) => registry.host), ...(init.otherOrigins ?? [])],
        settings: { cluster: { keyFile }, ...init.settings },
      }),
    )
    return new FaultLab({ origins, swarm, folder, clusterKey, keyFile }, owned.move())
  }

  /** The image of the only or first origin. */
  get image(): BuiltImage {
    return this.#first.image
  }

  /** The only or first origin. */
  get origin(): CountingProxy {
    return this.#first.registry
  }

  /** The image by its tag. */
  get reference(): string {
    return `${this.origin.host}/${REPOSITORY}:${TAG}`
  }

  /** Pulls through the agent, going on at the registry where it fails; throws unless every digest is right. */
  async pull(agent: ShoalProcess, options: LabPullOptions = {}): Promise<PullResult> {
    const { registry } = options.from ?? this.#first
    return await this.#pull([mirrorOf(agent, registry), { url: `http://${registry.host}` }], options)
  }

  /** Pulls from the agent alone: what it does not give fails the pull. */
  async pullFromMirror(agent: ShoalProcess, options: LabPullOptions = {}): Promise<PullResult> {
    return await this.#pull([mirrorOf(agent, (options.from ?? this.#first).registry)], options)
  }

  /** URL at the agent's mirror of what stands behind `lab/app/`, with the namespace in the query. */
  urlAt(agent: ShoalProcess, path: string, namespace = this.origin.host): string {
    return `${agent.mirrorUrl}/v2/${REPOSITORY}/${path}?ns=${encodeURIComponent(namespace)}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }

  async #pull(hosts: readonly PullHost[], { timeoutMs = PULL_TIMEOUT_MS }: LabPullOptions): Promise<PullResult> {
    return await pullAsContainerd({ hosts, repository: REPOSITORY, tag: TAG, signal: AbortSignal.timeout(timeoutMs) })
  }

  get #first(): LabOrigin {
    const [first] = this.origins
    if (first === undefined) throw new Error('the lab has no image')
    return first
  }
}

function mirrorOf(agent: ShoalProcess, registry: CountingProxy): PullHost {
  return { url: agent.mirrorUrl, namespace: registry.host }
}

/** Bytes of memory that the process has resident. */
export async function residentBytes({ child }: ShoalProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

/** Value of a metric without labels, or with exactly these as they are rendered (`direction="sent"`); 0 when it is not there. */
export async function metricOf(process: ShoalProcess, name: string, labels?: string): Promise<number> {
  const answer = await fetch(`${process.adminUrl}/metrics`, { signal: AbortSignal.timeout(ADMIN_TIMEOUT_MS) })
  const series = labels === undefined ? name : `${name}{${labels}}`
  const line = (await answer.text()).split('\n').find((text) => text.startsWith(`${series} `))
  return line === undefined ? 0 : Number(line.slice(series.length + 1))
}

/** Status of a GET at the admin server. */
export async function adminStatus(process: ShoalProcess, path: string): Promise<number> {
  const answer = await fetch(`${process.adminUrl}${path}`, { signal: AbortSignal.timeout(ADMIN_TIMEOUT_MS) })
  await answer.body?.cancel()
  return answer.status
}

async function startOrigin(image: BuiltImage, owned: AsyncDisposableStack): Promise<CountingProxy> {
  const init = { image, repository: REPOSITORY, tag: TAG, bytesPerSecond: REGISTRY_BYTES_PER_SECOND }
  const registry = owned.use(await EmbeddedRegistry.start(init))
  return owned.use(await CountingProxy.start({ target: registry.host }))
}
