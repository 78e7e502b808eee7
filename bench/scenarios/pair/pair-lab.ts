import { setTimeout as sleep } from 'node:timers/promises'
import type { AbortOptions } from '../../../src/core/index.ts'
import { CountingProxy } from '../../../test/support/counting-proxy.ts'
import { DockerRegistry } from '../../../test/support/docker-registry.ts'
import type { ShoalProcess } from '../../../test/support/shoal-process.ts'
import { Swarm } from '../../../test/support/swarm.ts'
import { type PushedImage, pushRandomImage } from './pushed-image.ts'
import { RegistryClient } from './registry-client.ts'

export interface PairLabInit {
  readonly hasTracker: boolean
  /** As the clients call themselves, which decides how a mirror treats them. */
  readonly userAgent: string
}

/** Room for every image of a long measurement: what is evicted would be measured as a miss. */
const STORE_QUOTA = '64GiB'

/** A layer is hashed and synced within seconds of its last byte. */
const COMPLETE_TIMEOUT_MS = 60_000

/** Between two looks at a status that is about to change. */
const POLL_MS = 50

/** What follows a pull (provider records, announcements) is over by then. */
const SETTLE_MS = 1_000

/**
 * A registry and two agents on loopback, nothing shaped: `serving` is made to have an image, `pulling` is measured. What
 * agents take from the registry goes through `origin`, which counts it; direct clients go past it.
 */
export class PairLab implements AsyncDisposable {
  readonly origin: CountingProxy
  readonly serving: ShoalProcess
  readonly pulling: ShoalProcess
  readonly tracker: ShoalProcess | undefined
  readonly #init: PairLabInit
  readonly #registry: DockerRegistry
  readonly #owned: AsyncDisposableStack
  #imageCount = 0

  private constructor(
    init: PairLabInit,
    parts: { registry: DockerRegistry; origin: CountingProxy; swarm: Swarm },
    owned: AsyncDisposableStack,
  ) {
    const [serving, pulling] = parts.swarm.agents
    if (serving === undefined || pulling === undefined) throw new Error('the swarm has two agents')
    this.#init = init
    this.#registry = parts.registry
    this.#owned = owned
    this.origin = parts.origin
    this.serving = serving
    this.pulling = pulling
    this.tracker = parts.swarm.trackers[0]
  }

  static async start(init: PairLabInit): Promise<PairLab> {
    await using owned = new AsyncDisposableStack()
    const registry = owned.use(await DockerRegistry.start())
    const origin = owned.use(await CountingProxy.start({ target: registry.host }))
    const swarm = owned.use(
      await Swarm.start({
        agents: 2,
        trackers: init.hasTracker ? 1 : 0,
        origins: [origin.host],
        settings: { store: { quota: STORE_QUOTA } },
      }),
    )
    return new PairLab(init, { registry, origin, swarm }, owned.move())
  }

  /** Puts an image of random layers into the registry. */
  async push(layerBytes: readonly number[], options: AbortOptions): Promise<PushedImage> {
    this.#imageCount += 1
    return await pushRandomImage(this.#registry.url, `bench/image-${this.#imageCount}`, layerBytes, options)
  }

  /** A client of an agent's mirror. */
  clientOf(agent: ShoalProcess, { repository }: PushedImage): RegistryClient {
    const { userAgent } = this.#init
    return new RegistryClient({ url: agent.mirrorUrl, namespace: this.origin.host, repository, userAgent })
  }

  /** A client of the registry itself. */
  directClient({ repository }: PushedImage): RegistryClient {
    return new RegistryClient({ url: this.#registry.url, repository, userAgent: this.#init.userAgent })
  }

  /** Has the serving agent pull the image, and waits until it has settled. */
  async seed(image: PushedImage, options: AbortOptions): Promise<void> {
    await using client = this.clientOf(this.serving, image)
    const { config, layers } = await client.manifest(image.tag, options)
    for (const { digest } of [config, ...layers]) await client.blob(digest, options)
    await this.completed(this.serving, image, options)
    await sleep(SETTLE_MS, undefined, options.signal === undefined ? {} : { signal: options.signal })
  }

  /** Resolves once the agent has every layer of the image whole and verified. */
  async completed(agent: ShoalProcess, { layers }: PushedImage, { signal }: AbortOptions): Promise<void> {
    const wanted = layers.map(({ digest }) => digest)
    const endMs = performance.now() + COMPLETE_TIMEOUT_MS
    while (!(await completeLayers(agent)).isSupersetOf(new Set(wanted))) {
      signal?.throwIfAborted()
      if (performance.now() > endMs) throw new Error(`${agent.name} did not complete ${wanted.join(', ')}`)
      await sleep(POLL_MS)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }
}

async function completeLayers(agent: ShoalProcess): Promise<Set<string>> {
  const { layers } = (await agent.status()) as unknown as {
    readonly layers: readonly { readonly digest: string; readonly isComplete: boolean }[]
  }
  return new Set(layers.filter(({ isComplete }) => isComplete).map(({ digest }) => digest))
}
