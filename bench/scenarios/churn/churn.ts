import type { PullReport } from '../../lab/client-main.ts'
import type { Fleet, FleetNode } from '../../lab/fleet.ts'
import { Lab, type Links } from '../../lab/lab.ts'
import { evenLayers, linksOf } from '../../lab/lab-flags.ts'
import type { LabImage } from '../../lab/origin.ts'
import { runWave } from '../../lab/wave.ts'
import type { ScenarioContext } from '../../scenario.ts'
import { pullsFromOrigin, pullsThroughAgents, pullTimeoutMs, storeQuota, WARM_UP_BYTES } from '../lab-pulls.ts'
import type { ChurnFlags } from './churn-flags.ts'
import { momentsOf } from './churn-moments.ts'
import { rollOut, type RollOut, type RollOutInit } from './roll-out.ts'

/** One roll-out as it was measured. */
export interface MeasuredRollOut {
  /** Pulls whose agent lived to their end; without Shoal all of them. */
  readonly served: readonly PullReport[]
  /** Pulls whose agent was killed meanwhile, and which went on at the registry. */
  readonly bereft: readonly PullReport[]
  /** Those of `served` that joined later. */
  readonly joined: readonly PullReport[]
  readonly makespanSeconds: number
  readonly imageBytes: number
  readonly originBytes: number
}

/** A lab in which nodes come and go while an image is rolled out. Each roll-out through Shoal has a cluster of its own. */
export class Churn implements AsyncDisposable {
  readonly links: Links | undefined
  readonly #flags: ChurnFlags
  readonly #context: ScenarioContext
  readonly #lab: Lab

  private constructor(flags: ChurnFlags, context: ScenarioContext, lab: Lab) {
    this.links = linksOf(flags)
    this.#flags = flags
    this.#context = context
    this.#lab = lab
  }

  static async start(flags: ChurnFlags, context: ScenarioContext): Promise<Churn> {
    const links = linksOf(flags)
    const init = { nodes: flags.nodes + flags.joins, trackers: flags.tracker ? 1 : 0 }
    context.progress(`starting an origin and ${init.nodes} clients`)
    return new Churn(flags, context, await Lab.start(links === undefined ? init : { ...init, links }, context))
  }

  /** Agents pull a fresh image; some are killed meanwhile, others join. */
  async throughShoal(onProgress: (share: number) => void): Promise<MeasuredRollOut> {
    await using fleet = await this.#startFleet()
    const victims = victimsOf(fleet.nodes, this.#flags.kills)
    const left = [...victims]
    const init = {
      pulls: pullsThroughAgents(this.#lab, fleet.nodes),
      kill: () => left.shift()?.agent.child.signal('SIGKILL'),
      join: async () => firstOf(pullsThroughAgents(this.#lab, [await fleet.join()])),
      onProgress,
    }
    const first = fleet.nodes.slice()
    const { image, originBytes, result } = await this.#measure(this.#flags.kills, init)
    const { reports, joined, makespanSeconds } = result
    const isVictim = (index: number): boolean => victims.some((victim) => victim === first[index])
    const served = [...reports.filter((_, index) => !isVictim(index)), ...joined]
    const bereft = reports.filter((_, index) => isVictim(index))
    return { served, bereft, joined, makespanSeconds, imageBytes: image.imageBytes, originBytes }
  }

  /** The same clients pull a fresh image straight from the origin; those that join begin as far into it as with Shoal. */
  async withoutShoal(onProgress: (share: number) => void): Promise<MeasuredRollOut> {
    const { nodes, joins } = this.#flags
    const later = [...pullsFromOrigin(this.#lab, nodes, nodes + joins)]
    const init = {
      pulls: pullsFromOrigin(this.#lab, 0, nodes),
      kill: () => undefined,
      join: async () => await Promise.resolve(firstOf(later.splice(0, 1))),
      onProgress,
    }
    const { image, originBytes, result } = await this.#measure(0, init)
    const { reports, joined, makespanSeconds } = result
    const served = [...reports, ...joined]
    return { served, bereft: [], joined, makespanSeconds, imageBytes: image.imageBytes, originBytes }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab[Symbol.asyncDispose]()
  }

  async #measure(kills: number, init: Pick<RollOutInit, 'pulls' | 'kill' | 'join' | 'onProgress'>): Promise<Measured> {
    const { signal } = this.#context
    const image = await this.#freshImage(this.#flags.size)
    const originBefore = await this.#lab.origin.sentBytes({ signal })
    const moments = momentsOf(kills, this.#flags.joins)
    const result = await rollOut({ ...init, image, moments, timeoutMs: this.#timeoutMs(image) }, this.#context)
    return { image, result, originBytes: (await this.#lab.origin.sentBytes({ signal })) - originBefore }
  }

  async #startFleet(): Promise<Fleet> {
    const { nodes, size } = this.#flags
    this.#context.progress(`starting ${nodes} agents`)
    const settings = { store: { quota: storeQuota(size) } }
    const fleet = await this.#lab.startFleet({ agents: nodes, settings }, this.#context)
    try {
      this.#context.progress('warming up with a small image')
      const image = await this.#freshImage(Math.min(size, WARM_UP_BYTES))
      const { repository, tag } = image
      const pulls = pullsThroughAgents(this.#lab, fleet.nodes)
      await runWave({ pulls, repository, tag, staggerMs: 0, timeoutMs: this.#timeoutMs(image) }, this.#context)
      return fleet
    } catch (error) {
      await fleet[Symbol.asyncDispose]()
      throw error
    }
  }

  async #freshImage(size: number): Promise<LabImage> {
    return await this.#lab.origin.addImage(evenLayers(size, this.#flags.layers), this.#context)
  }

  #timeoutMs({ imageBytes }: LabImage): number {
    return pullTimeoutMs(this.links, imageBytes * this.#lab.nodes.length)
  }
}

interface Measured {
  readonly image: LabImage
  readonly originBytes: number
  readonly result: RollOut
}

/** The last ones first: the first agent is the one through which others join a cluster that has no tracker. */
function victimsOf(nodes: readonly FleetNode[], kills: number): readonly FleetNode[] {
  return nodes.toReversed().slice(0, kills)
}

function firstOf<Pull>([first]: readonly Pull[]): Pull {
  if (first === undefined) throw new Error('there is no node left to join')
  return first
}
