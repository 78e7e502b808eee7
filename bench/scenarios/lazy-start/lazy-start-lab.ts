import { setTimeout as sleep } from 'node:timers/promises'
import type { ProgramPlace } from '../../../test/support/containerd.ts'
import { DockerRegistry } from '../../../test/support/docker-registry.ts'
import type { BuiltImage } from '../../../test/support/images.ts'
import { LazyNode } from '../../../test/support/lazy-node.ts'
import { tempFolder } from '../../../test/support/scope.ts'
import type { ShoalProcess } from '../../../test/support/shoal-process.ts'
import { Swarm } from '../../../test/support/swarm.ts'
import { Client } from '../../lab/client.ts'
import { removeLeftovers } from '../../lab/leftovers.ts'
import { monotonicMs } from '../../lab/monotonic.ts'
import type { Place } from '../../lab/place.ts'
import { RUN_FOLDER } from '../../lab/run-name.ts'
import { ShapedNetwork } from '../../lab/shaped-network.ts'
import { pullTimeoutMs } from '../lab-pulls.ts'
import { type PushedImage, pushRandomImage } from '../pair/pushed-image.ts'
import { RegistryRequests } from './registry-requests.ts'

export interface LazyStartLabInit {
  readonly image: BuiltImage
  /** Of the links of nodes and tracker, in each direction. */
  readonly nodeBitsPerSecond: number
  readonly originBitsPerSecond: number
  readonly latencyMs: number
}

/** Of the link of the registry that stands for one without a limit: far above what a node can take. */
const UNSHAPED_BITS_PER_SECOND = 10e9

const HOSTS = ['origin', 'unshaped', 'tracker', 'peer', 'node'] as const

const REPOSITORY = 'lab/app'
const WARM_UP_REPOSITORY = 'lab/warm-up'
const TAG = 'v1'

/** Layers of the image that is read before anything is measured, in as many small parts as a lazy start takes. */
const WARM_UP_LAYERS = Array<number>(6).fill(4 * 1024 ** 2)
const WARM_UP_RANGES = 150

/** An agent that has just started connects within a second or two. */
const CONNECT_TIMEOUT_MS = 30_000
const CONNECT_POLL_MS = 100

/** Some minutes for hundreds of megabytes, fetched gently and with rests. */
const COMPLETE_TIMEOUT_MS = 300_000
const COMPLETE_POLL_MS = 500

/** What follows a pull (provider records, announcements) is over by then. */
const SETTLE_MS = 1_000

export interface Abortable {
  readonly signal: AbortSignal
}

/** The agent at the place `node`, and all processes of its cluster that run. */
export interface NodeCluster extends AsyncDisposable {
  readonly agent: ShoalProcess
  readonly processes: readonly ShoalProcess[]
}

/**
 * Two docker-registries with the same content, a tracker and two nodes, each at the end of its own link. Node `peer` has
 * the image; everything that is measured happens at `node`, with a new agent and a new containerd each time.
 */
export class LazyStartLab implements AsyncDisposable {
  readonly origin: RegistryRequests
  readonly unshaped: RegistryRequests
  readonly #init: LazyStartLabInit
  readonly #registries: Readonly<Record<'origin' | 'unshaped', DockerRegistry>>
  readonly #warmUp: PushedImage
  readonly #network: ShapedNetwork
  readonly #client: Client
  readonly #owned: AsyncDisposableStack
  #shared: Swarm | undefined

  private constructor(
    init: LazyStartLabInit,
    parts: {
      readonly registries: Readonly<Record<'origin' | 'unshaped', DockerRegistry>>
      readonly warmUp: PushedImage
      readonly network: ShapedNetwork
      readonly client: Client
    },
    owned: AsyncDisposableStack,
  ) {
    this.#init = init
    this.#registries = parts.registries
    this.#warmUp = parts.warmUp
    this.#network = parts.network
    this.#client = parts.client
    this.#owned = owned
    this.origin = owned.use(new RegistryRequests(parts.registries.origin.child))
    this.unshaped = owned.use(new RegistryRequests(parts.registries.unshaped.child))
  }

  static async start(init: LazyStartLabInit, options: Abortable): Promise<LazyStartLab> {
    await using owned = new AsyncDisposableStack()
    await removeLeftovers()
    const contentFolder = owned.use(await tempFolder(RUN_FOLDER)).path
    const warmUp = await fillRegistry(contentFolder, init.image, options)
    options.signal.throwIfAborted()
    const network = owned.use(
      await ShapedNetwork.start({
        hosts: HOSTS.map((name) => ({ name, bitsPerSecond: rateOf(name, init) })),
        latencyMs: init.latencyMs,
      }),
    )
    const registryAt = async (name: 'origin' | 'unshaped') => {
      const { address, commandPrefix } = network.place(name)
      const place = { address, commandPrefix, folderName: RUN_FOLDER }
      return owned.use(await DockerRegistry.start({ place, contentFolder, logsRequests: true }))
    }
    const registries = { origin: await registryAt('origin'), unshaped: await registryAt('unshaped') }
    const client = owned.use(await Client.start(network.place('node')))
    return new LazyStartLab(init, { registries, warmUp, network, client }, owned.move())
  }

  /** The image at the registry behind a link, or at the one without a limit. */
  reference(registry: 'origin' | 'unshaped'): string {
    return `${this.#registries[registry].host}/${REPOSITORY}:${TAG}`
  }

  /** A containerd with a stargz snapshotter at `node`, new and empty; without an agent it takes everything from the registry. */
  async startNode(registry: 'origin' | 'unshaped', agent?: ShoalProcess): Promise<LazyNode> {
    return await LazyNode.start({
      registry: this.#registries[registry].host,
      ...(agent === undefined ? {} : { mirrorUrl: agent.mirrorUrl }),
      fetchesAhead: true,
      place: programPlace(this.#network.place('node')),
    })
  }

  /** A new agent at `node` in the one cluster of this lab whose tracker and whose other agent have the image. */
  async joinWarm(options: Abortable): Promise<NodeCluster> {
    this.#shared ??= await this.#startWarm(this.#owned, options)
    const agent = await this.#addAgent(this.#shared, 2, options)
    return {
      agent,
      processes: runningOf(this.#shared),
      [Symbol.asyncDispose]: async () => void (await agent.child.stop()),
    }
  }

  /**
   * A new agent at `node` in a new cluster, whose tracker and whose other agent have the image because that agent has pulled
   * it, or have none of it.
   */
  async startCluster(kind: 'warm' | 'cold', options: Abortable): Promise<NodeCluster> {
    await using owned = new AsyncDisposableStack()
    const swarm = await (kind === 'warm' ? this.#startWarm(owned, options) : this.#startSwarm(owned))
    const agent = await this.#addAgent(swarm, 2, options)
    const rest = owned.move()
    return { agent, processes: runningOf(swarm), [Symbol.asyncDispose]: async () => await rest.disposeAsync() }
  }

  /** Resolves once the agent has every layer of the image whole and verified. */
  async completed(agent: ShoalProcess, options: Abortable): Promise<void> {
    const wanted = this.#init.image.layers.map(({ digest }) => digest)
    const endMs = performance.now() + COMPLETE_TIMEOUT_MS
    for (;;) {
      const { layers } = await this.#client.status(agent.adminUrl, options)
      const complete = new Set(layers.filter(({ isComplete }) => isComplete).map(({ digest }) => digest))
      if (wanted.every((digest) => complete.has(digest))) return
      if (performance.now() > endMs) throw new Error(`${agent.name} did not complete the image`)
      await sleep(COMPLETE_POLL_MS, undefined, options)
    }
  }

  /** Nothing is to be had from the registries any more. */
  async stopRegistries(): Promise<void> {
    for (const { child } of Object.values(this.#registries)) await child.stop()
  }

  /** Pulls the whole image by its digest from the agent at `node` and checks every digest; what was wrong. */
  async pullFrom(agent: ShoalProcess, options: Abortable): Promise<string | undefined> {
    const { manifest, blobBytes } = this.#init.image
    const hosts = [{ url: agent.mirrorUrl, namespace: this.#registries.origin.host }]
    const timeoutMs = pullTimeoutMs(undefined, blobBytes)
    const order = { hosts, repository: REPOSITORY, tag: manifest.digest, startAtMs: monotonicMs(), timeoutMs }
    return (await this.#client.pull(order, options)).failure
  }

  /** What the agent took from where so far. */
  async fetchedBytes(
    agent: ShoalProcess,
    { signal }: Abortable,
  ): Promise<{ readonly peers: number; readonly tracker: number; readonly origin: number }> {
    return (await this.#client.status(agent.adminUrl, { signal })).bytesBySource
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }

  async #startWarm(owned: AsyncDisposableStack, options: Abortable): Promise<Swarm> {
    const swarm = await this.#startSwarm(owned)
    const [peer] = swarm.agents
    if (peer === undefined) throw new Error('the swarm has an agent')
    await using client = await Client.start(this.#network.place('peer'))
    await this.#pull(client, peer, WARM_UP_REPOSITORY, options)
    await this.#pull(client, peer, REPOSITORY, options)
    await sleep(SETTLE_MS, undefined, options)
    return swarm
  }

  /** A tracker and an agent at `peer`. */
  async #startSwarm(owned: AsyncDisposableStack): Promise<Swarm> {
    return owned.use(
      await Swarm.start({
        trackers: 1,
        agents: 1,
        origins: [this.#registries.origin.host],
        // As by default: the first client of each repository waits for what the registry says to it.
        access: 'verify',
        folderName: RUN_FOLDER,
        placement: (name) => placementAt(this.#network.place(hostOf(name))),
      }),
    )
  }

  /**
   * One more agent, at `node`. A small image is read through it lazily and then pulled, so that the code of all processes is
   * compiled, as in production, and nothing is left to be completed in the background.
   */
  async #addAgent(swarm: Swarm, peers: number, options: Abortable): Promise<ShoalProcess> {
    const agent = await swarm.addAgent()
    const endMs = performance.now() + CONNECT_TIMEOUT_MS
    while ((await this.#client.connectedPeers(agent.adminUrl, options)) < peers) {
      if (performance.now() > endMs) throw new Error(`${agent.name} did not find its peers`)
      await sleep(CONNECT_POLL_MS, undefined, options)
    }
    await this.#client.readRanges(this.#warmUpRanges(agent), options)
    await this.#pull(this.#client, agent, WARM_UP_REPOSITORY, options)
    await sleep(SETTLE_MS, undefined, options)
    return agent
  }

  #warmUpRanges({ mirrorUrl }: ShoalProcess) {
    const { repository, layers } = this.#warmUp
    const sized = layers.map(({ digest, bytes }) => ({ digest, size: bytes.byteLength }))
    return {
      url: mirrorUrl,
      namespace: this.#registries.origin.host,
      repository,
      layers: sized,
      ranges: WARM_UP_RANGES,
    }
  }

  async #pull(client: Client, agent: ShoalProcess, repository: string, options: Abortable): Promise<void> {
    const namespace = this.#registries.origin.host
    const bytes = this.#init.image.blobBytes
    const timeoutMs = pullTimeoutMs({ ...this.#init }, bytes)
    const hosts = [{ url: agent.mirrorUrl, namespace }]
    const { failure } = await client.pull({ hosts, repository, tag: TAG, startAtMs: monotonicMs(), timeoutMs }, options)
    if (failure !== undefined) throw new Error(`${agent.name} could not pull ${repository}: ${failure}`)
  }
}

function runningOf({ trackers, agents }: Swarm): readonly ShoalProcess[] {
  return [...trackers, ...agents].filter(({ child }) => child.isRunning)
}

function rateOf(name: (typeof HOSTS)[number], init: LazyStartLabInit): number {
  if (name === 'origin') return init.originBitsPerSecond
  return name === 'unshaped' ? UNSHAPED_BITS_PER_SECOND : init.nodeBitsPerSecond
}

/** The first agent of a cluster is the peer; all others follow each other at the node. */
function hostOf(processName: string): (typeof HOSTS)[number] {
  if (processName.startsWith('tracker-')) return 'tracker'
  return processName === 'agent-1' ? 'peer' : 'node'
}

function placementAt({ address, commandPrefix }: Place) {
  const settings = { p2p: { listen: [`/ip4/${address}/tcp/0`] }, exchange: { listen: `${address}:0` } }
  return { commandPrefix, settings }
}

function programPlace({ commandPrefix }: Place): ProgramPlace {
  return { commandPrefix, folderName: RUN_FOLDER }
}

/** Pushes the images through a registry on loopback, so that nothing of it crosses the links. */
async function fillRegistry(contentFolder: string, image: BuiltImage, options: Abortable): Promise<PushedImage> {
  await using registry = await DockerRegistry.start({ contentFolder })
  await registry.push(image, REPOSITORY, TAG)
  return await pushRandomImage(registry.url, WARM_UP_REPOSITORY, WARM_UP_LAYERS, options)
}
