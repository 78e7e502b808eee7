import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { Containerd, type PullOptions } from './containerd.ts'
import { CountingProxy } from './counting-proxy.ts'
import { DockerRegistry } from './docker-registry.ts'
import { type BuiltImage, buildImage, type ImageSize } from './images.ts'
import { type RunResult, runOk } from './processes.ts'
import { SHOAL, type Settings, type ShoalProcess } from './shoal-process.ts'
import { Swarm } from './swarm.ts'
import { TokenServer } from './token-server.ts'

/** What every lab has at its origin. */
const REPOSITORY = 'lab/app'
const TAG = 'v1'

const CONFIGURE_TIMEOUT_MS = 20_000

/** Pause between two looks at the origin's counts; a few hundred kB pass in it at the rates of the tests. */
const WATCH_INTERVAL_MS = 10

export interface ContainerLabInit {
  /** Which image its origin has. */
  readonly image: ImageSize | BuiltImage
  readonly agents: number
  readonly trackers: number
  /** Makes the repository private: only these users may pull, and agents must see proof. */
  readonly users?: Readonly<Record<string, string>>
  /** Laid over the settings of every process. */
  readonly settings?: Settings
}

/** A node of the cluster: a containerd whose pulls go through an agent. */
export interface LabNode {
  readonly containerd: Containerd
  readonly agent: ShoalProcess
}

/** A cluster of real programs: docker-registry behind a counting origin, agents and trackers, and containerds on demand. */
export class ContainerLab implements AsyncDisposable {
  readonly image: BuiltImage
  readonly origin: CountingProxy
  readonly swarm: Swarm
  readonly #owned: AsyncDisposableStack

  private constructor(image: BuiltImage, origin: CountingProxy, swarm: Swarm, owned: AsyncDisposableStack) {
    this.image = image
    this.origin = origin
    this.swarm = swarm
    this.#owned = owned
  }

  static async start(init: ContainerLabInit): Promise<ContainerLab> {
    await using owned = new AsyncDisposableStack()
    const { users, agents, trackers } = init
    const image = typeof init.image === 'string' ? await buildImage(init.image) : init.image
    const registry = owned.use(await DockerRegistry.start())
    await registry.push(image, REPOSITORY, TAG)
    const guard = users === undefined ? undefined : owned.use(await TokenServer.start({ users })).guard
    const origin = owned.use(
      await CountingProxy.start({ target: registry.host, ...(guard === undefined ? {} : { guard }) }),
    )
    const more = init.settings === undefined ? {} : { settings: init.settings }
    const swarm = owned.use(await Swarm.start({ agents, trackers, origins: [origin.host], access: 'verify', ...more }))
    return new ContainerLab(image, origin, swarm, owned.move())
  }

  /** The image by its tag. */
  get reference(): string {
    return `${this.origin.host}/${REPOSITORY}:${TAG}`
  }

  /** The image by its digest, which needs nobody to resolve it. */
  get digestReference(): string {
    return `${this.origin.host}/${REPOSITORY}@${this.image.manifest.digest}`
  }

  /** Starts a containerd and points it at the agent with the command that an administrator uses. */
  async addNode(agent: ShoalProcess): Promise<LabNode> {
    const containerd = this.#owned.use(await Containerd.start())
    const args = ['containerd', 'configure', '--certs-dir', containerd.hostsFolder, '--mirror', agent.mirrorUrl]
    await runOk(SHOAL, args, { timeoutMs: CONFIGURE_TIMEOUT_MS })
    return { containerd, agent }
  }

  /** A node for each agent that is up. */
  async addNodes(): Promise<readonly LabNode[]> {
    return await Promise.all(this.swarm.agents.map(async (agent) => await this.addNode(agent)))
  }

  /** Waits until the origin has sent so many bytes of blobs. */
  async originHasSent(bytes: number): Promise<void> {
    while (this.origin.counts.blobBytes < bytes) await sleep(WATCH_INTERVAL_MS)
  }

  /** Asserts that the node holds every blob of the image, each with the bytes that its digest names. */
  async assertComplete({ containerd }: LabNode): Promise<void> {
    const digests = await containerd.contentDigests()
    for (const [name, actual] of digests) assert.equal(actual, name)
    for (const { digest } of [this.image.manifest, this.image.config, ...this.image.layers])
      assert.ok(digests.has(digest), digest)
  }

  /** Asserts that the origin has sent no more than so many copies of the image's blobs; else says who took what from where. */
  async assertOriginCopies(atMost: number): Promise<void> {
    const copies = this.origin.counts.blobBytes / this.image.blobBytes
    if (copies <= atMost) return
    const agents = this.swarm.agents.map(async (agent) => {
      const taken = await agent.status().then(({ bytesBySource }) => JSON.stringify(bytesBySource), String)
      return `${agent.name}: ${taken}`
    })
    const takers = (await Promise.all(agents)).join('\n')
    assert.fail(`the origin served ${copies.toFixed(3)} copies of the image, not at most ${atMost}\n${takers}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }
}

/** Pulls without unpacking through the node's agent. */
export async function fetchThrough(
  node: LabNode,
  reference: string,
  options: Partial<PullOptions> = {},
): Promise<RunResult> {
  return await node.containerd.fetch(reference, { hostsFolder: node.containerd.hostsFolder, ...options })
}

/** Pulls and unpacks through the node's agent. */
export async function pullThrough(node: LabNode, reference: string): Promise<RunResult> {
  return await node.containerd.pull(reference, { hostsFolder: node.containerd.hostsFolder })
}

/** Asserts that a client program ended well. */
export function assertOk({ code, output }: RunResult): void {
  assert.equal(code, 0, output)
}
