import type { PullReport } from '../../lab/client-main.ts'
import type { Fleet } from '../../lab/fleet.ts'
import { Lab, type Links } from '../../lab/lab.ts'
import { evenLayers, linksOf } from '../../lab/lab-flags.ts'
import type { LabImage } from '../../lab/origin.ts'
import { runWave, type Wave, type WavePull } from '../../lab/wave.ts'
import type { ScenarioContext } from '../../scenario.ts'
import { pullsFromOrigin, pullsThroughAgents, pullTimeoutMs, storeQuota, WARM_UP_BYTES } from '../lab-pulls.ts'
import type { RollingFlags } from './rolling-flags.ts'

/** One roll-out as it was measured. */
export interface MeasuredRolling {
  readonly firstBatchSeconds: number
  /** Pulls of all nodes but the first fifth. */
  readonly reports: readonly PullReport[]
  /** Sent by the origin after the first fifth had the image. */
  readonly originBytes: number
  readonly imageBytes: number
  readonly failures: readonly string[]
}

/** Share of the nodes that pull at the same time: how Kubernetes updates a DaemonSet with `maxUnavailable: 20%`. */
export const BATCH_SHARE = 0.2

/** A lab and its running agents, to which one fresh image after the other is rolled out. */
export class Rolling implements AsyncDisposable {
  readonly links: Links | undefined
  readonly #flags: RollingFlags
  readonly #context: ScenarioContext
  readonly #lab: Lab
  #fleet: Fleet | undefined

  private constructor(flags: RollingFlags, context: ScenarioContext, lab: Lab) {
    this.links = linksOf(flags)
    this.#flags = flags
    this.#context = context
    this.#lab = lab
  }

  static async start(flags: RollingFlags, context: ScenarioContext): Promise<Rolling> {
    const links = linksOf(flags)
    context.progress(`starting an origin and ${flags.nodes} clients`)
    const init = { nodes: flags.nodes, trackers: flags.tracker ? 1 : 0 }
    return new Rolling(flags, context, await Lab.start(links === undefined ? init : { ...init, links }, context))
  }

  /** Rolls a fresh image out through the agents. */
  async throughShoal(): Promise<MeasuredRolling> {
    const fleet = (this.#fleet ??= await this.#startFleet())
    return await this.#rollOut(pullsThroughAgents(this.#lab, fleet.nodes))
  }

  /** The same with the same clients, straight from the origin. */
  async withoutShoal(): Promise<MeasuredRolling> {
    return await this.#rollOut(pullsFromOrigin(this.#lab, 0, this.#flags.nodes))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fleet?.[Symbol.asyncDispose]()
    await this.#lab[Symbol.asyncDispose]()
  }

  async #startFleet(): Promise<Fleet> {
    const { nodes, size } = this.#flags
    this.#context.progress(`starting ${nodes} agents`)
    const fleet = await this.#lab.startFleet({ settings: { store: { quota: storeQuota(size) } } }, this.#context)
    try {
      this.#context.progress('warming up with a small image')
      const image = await this.#freshImage(Math.min(size, WARM_UP_BYTES))
      await this.#pull(pullsThroughAgents(this.#lab, fleet.nodes), image)
      return fleet
    } catch (error) {
      await fleet[Symbol.asyncDispose]()
      throw error
    }
  }

  async #rollOut(pulls: readonly WavePull[]): Promise<MeasuredRolling> {
    const { signal } = this.#context
    const image = await this.#freshImage(this.#flags.size)
    const [first = [], ...others] = batches(pulls)
    const firstWave = await this.#pull(first, image)
    const originBefore = await this.#lab.origin.sentBytes({ signal })
    const waves: Wave[] = []
    for (const batch of others) waves.push(await this.#pull(batch, image))
    return {
      firstBatchSeconds: firstWave.makespanSeconds,
      reports: waves.flatMap(({ reports }) => reports),
      originBytes: (await this.#lab.origin.sentBytes({ signal })) - originBefore,
      imageBytes: image.imageBytes,
      failures: [firstWave, ...waves].flatMap(({ failures }) => failures),
    }
  }

  async #pull(pulls: readonly WavePull[], image: LabImage): Promise<Wave> {
    const { repository, tag, imageBytes } = image
    const timeoutMs = pullTimeoutMs(this.links, imageBytes * pulls.length)
    return await runWave({ pulls, repository, tag, staggerMs: 0, timeoutMs }, { signal: this.#context.signal })
  }

  async #freshImage(size: number): Promise<LabImage> {
    return await this.#lab.origin.addImage(evenLayers(size, this.#flags.layers), this.#context)
  }
}

function batches<Pull>(pulls: readonly Pull[]): readonly (readonly Pull[])[] {
  const size = Math.ceil(pulls.length * BATCH_SHARE)
  const count = Math.ceil(pulls.length / size)
  return Array.from({ length: count }, (_, index) => pulls.slice(index * size, (index + 1) * size))
}
