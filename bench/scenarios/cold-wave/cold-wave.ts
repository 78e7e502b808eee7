import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusView } from '../../../src/cli/status-view.ts'
import type { Settings } from '../../../test/support/shoal-process.ts'
import type { Fleet, FleetNode } from '../../lab/fleet.ts'
import { Lab, type Links } from '../../lab/lab.ts'
import { evenLayers, linksOf } from '../../lab/lab-flags.ts'
import type { LabImage } from '../../lab/origin.ts'
import { runWave, type Wave } from '../../lab/wave.ts'
import type { ScenarioContext } from '../../scenario.ts'
import { pullsFromOrigin, pullsThroughAgents, pullTimeoutMs, storeQuota, WARM_UP_BYTES } from '../lab-pulls.ts'
import type { ColdWaveFlags } from './cold-wave-flags.ts'
import { CpuSample, type CpuSeconds } from './wave-cpu.ts'
import { type SourceBytes, sourceBytes, zonePairs, type ZonePairs } from './status-difference.ts'

/** One wave as it was measured. */
export interface MeasuredWave {
  readonly wave: Wave
  readonly imageBytes: number
  readonly originBytes: number
  readonly cpuSeconds: CpuSeconds
  /** What the agents took from where; `undefined` without Shoal. */
  readonly sources?: SourceBytes
  /** Bytes between zones, by `z1 from z2`. */
  readonly zonePairs?: ZonePairs
}

/** Share of the image that clients have on average when something is killed. */
const KILL_AT_SHARE = 0.5

/** A lab and its running agents, through which one fresh image after the other is pulled. */
export class ColdWave implements AsyncDisposable {
  readonly links: Links | undefined
  readonly #flags: ColdWaveFlags
  readonly #context: ScenarioContext
  readonly #lab: Lab
  #fleet: Fleet | undefined

  private constructor(flags: ColdWaveFlags, context: ScenarioContext, lab: Lab, links: Links | undefined) {
    this.#flags = flags
    this.#context = context
    this.#lab = lab
    this.links = links
  }

  /** Brings up network, origin and clients; the agents come with the first wave. */
  static async start(flags: ColdWaveFlags, context: ScenarioContext): Promise<ColdWave> {
    const links = linksOf(flags)
    if (links === undefined) context.progress('links are not shaped: everything runs on loopback')
    context.progress(`starting an origin and ${flags.nodes} clients`)
    const init = { nodes: flags.nodes, trackers: flags.tracker ? flags.trackers : 0 }
    const lab = await Lab.start(links === undefined ? init : { ...init, links }, context)
    return new ColdWave(flags, context, lab, links)
  }

  /** All clients pull a fresh image through their agents. */
  async pullThroughShoal(onProgress: (share: number) => void): Promise<MeasuredWave> {
    const { signal } = this.#context
    const fleet = (this.#fleet ??= await this.#startFleet())
    const image = await this.#freshImage()
    const before = await fleet.statuses({ signal })
    const originBefore = await this.#lab.origin.sentBytes({ signal })
    const cpuBefore = await CpuSample.take(this.#lab, fleet)
    const killer = new Killer(this.#flags.kill, fleet)
    const wave = await this.#pull(image, fleet.nodes, (share) => {
      killer.at(share)
      onProgress(share)
    })
    const cpuSeconds = (await CpuSample.take(this.#lab, fleet)).since(cpuBefore)
    const originBytes = (await this.#lab.origin.sentBytes({ signal })) - originBefore
    const after = await fleet.statuses({ signal })
    await this.#replaceWhatWasKilled()
    const difference = byNode(before, after)
    const zones = this.#flags.zones === undefined ? {} : { zonePairs: zonePairs(difference) }
    const sources = sourceBytes(difference)
    return { wave, imageBytes: image.imageBytes, originBytes, cpuSeconds, sources, ...zones }
  }

  /** All clients pull a fresh image straight from the origin, over the same links. */
  async pullDirectly(onProgress: (share: number) => void): Promise<MeasuredWave> {
    const { signal } = this.#context
    const image = await this.#freshImage()
    const originBefore = await this.#lab.origin.sentBytes({ signal })
    const cpuBefore = await CpuSample.take(this.#lab, undefined)
    const wave = await this.#pull(image, undefined, onProgress)
    const cpuSeconds = (await CpuSample.take(this.#lab, undefined)).since(cpuBefore)
    const originBytes = (await this.#lab.origin.sentBytes({ signal })) - originBefore
    return { wave, imageBytes: image.imageBytes, originBytes, cpuSeconds }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fleet?.[Symbol.asyncDispose]()
    await this.#lab[Symbol.asyncDispose]()
  }

  async #pull(
    image: LabImage,
    nodes: readonly FleetNode[] | undefined,
    onProgress: (share: number) => void,
  ): Promise<Wave> {
    const pulls =
      nodes === undefined ? pullsFromOrigin(this.#lab, 0, this.#lab.nodes.length) : pullsThroughAgents(this.#lab, nodes)
    const { repository, tag } = image
    const init = { pulls, repository, tag, staggerMs: this.#flags.stagger, timeoutMs: this.#timeoutMs(image) }
    return await runWave(init, { signal: this.#context.signal, onProgress })
  }

  #timeoutMs({ imageBytes }: LabImage): number {
    return pullTimeoutMs(this.links, imageBytes * this.#flags.nodes)
  }

  async #startFleet(): Promise<Fleet> {
    const { zones, carrier, size, settle } = this.#flags
    const { signal } = this.#context
    this.#context.progress(`starting ${this.#flags.nodes} agents`)
    const settings: Settings = {
      store: { quota: storeQuota(size) },
      ...(carrier === undefined ? {} : { exchange: { carrier } }),
    }
    const init = zones === undefined ? { settings } : { settings, zones }
    const fleet = await this.#lab.startFleet(init, this.#context)
    try {
      this.#context.progress('warming up with a small image')
      await this.#pull(await this.#freshImage(Math.min(size, WARM_UP_BYTES)), fleet.nodes, () => undefined)
      if (settle > 0) this.#context.progress(`letting the agents settle for ${settle} s`)
      await sleep(settle * 1_000, undefined, { signal })
      return fleet
    } catch (error) {
      await fleet[Symbol.asyncDispose]()
      throw error
    }
  }

  async #replaceWhatWasKilled(): Promise<void> {
    if (this.#flags.kill === undefined) return
    await this.#fleet?.[Symbol.asyncDispose]()
    this.#fleet = undefined
  }

  async #freshImage(size: number = this.#flags.size): Promise<LabImage> {
    const { layers } = this.#flags
    return await this.#lab.origin.addImage(evenLayers(size, layers), this.#context)
  }
}

/** Kills one process, once, in the middle of a wave. */
class Killer {
  readonly #fleet: Fleet
  #what: ColdWaveFlags['kill']

  constructor(what: ColdWaveFlags['kill'], fleet: Fleet) {
    this.#what = what
    this.#fleet = fleet
  }

  /** Says how far the wave is. */
  at(share: number): void {
    if (this.#what === undefined || share < KILL_AT_SHARE) return
    const { nodes, trackers } = this.#fleet
    const victim = this.#what === 'tracker' ? trackers[0] : nodes[Math.floor(nodes.length / 2)]?.agent
    this.#what = undefined
    victim?.child.signal('SIGKILL')
  }
}

function byNode(before: ReadonlyMap<FleetNode, StatusView>, after: ReadonlyMap<FleetNode, StatusView>) {
  return [...after].flatMap(([node, status]) => {
    const earlier = before.get(node)
    return earlier === undefined ? [] : [{ before: earlier, after: status }]
  })
}
