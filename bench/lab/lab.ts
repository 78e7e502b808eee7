import type { Settings } from '../../test/support/shoal-process.ts'
import { Client } from './client.ts'
import { Fleet, type NodePlace } from './fleet.ts'
import { removeLeftovers } from './leftovers.ts'
import { Origin } from './origin.ts'
import { loopbackPlace, type Place } from './place.ts'
import { ShapedNetwork } from './shaped-network.ts'
import type { CallOptions } from './worker.ts'

/** The links of a lab; a lab without them is on loopback. */
export interface Links {
  /** Of each agent's and tracker's link, in each direction. */
  readonly nodeBitsPerSecond: number
  readonly originBitsPerSecond: number
  /** Added on each link; 0 for none. */
  readonly latencyMs: number
}

export interface LabInit {
  readonly nodes: number
  readonly trackers: number
  readonly links?: Links
}

export interface FleetSettings {
  readonly zones?: number
  /** Nodes that have an agent from the beginning, the first of them; all when left out. */
  readonly agents?: number
  readonly settings: Settings
}

/** Everything that is measured with: places, an origin that counts, and a client for each node. Fleets come and go. */
export class Lab implements AsyncDisposable {
  readonly origin: Origin
  readonly nodes: readonly NodePlace[]
  readonly #trackers: readonly Place[]
  readonly #owned: AsyncDisposableStack

  private constructor(
    origin: Origin,
    nodes: readonly NodePlace[],
    trackers: readonly Place[],
    owned: AsyncDisposableStack,
  ) {
    this.origin = origin
    this.nodes = nodes
    this.#trackers = trackers
    this.#owned = owned
  }

  static async start(init: LabInit, options: CallOptions): Promise<Lab> {
    await using owned = new AsyncDisposableStack()
    await removeLeftovers()
    const nodeNames = names('node', init.nodes)
    const trackerNames = names('tracker', init.trackers)
    const placeOf = await makePlaces([...nodeNames, ...trackerNames], init.links, owned)
    options.signal.throwIfAborted()
    const origin = owned.use(await Origin.start(placeOf(ORIGIN), options))
    const nodes: NodePlace[] = []
    for (const name of nodeNames) {
      const place = placeOf(name)
      nodes.push({ place, client: owned.use(await Client.start(place)) })
    }
    return new Lab(origin, nodes, trackerNames.map(placeOf), owned.move())
  }

  /** Starts a cluster with all trackers and an agent on each node, or on the first of them. */
  async startFleet(settings: FleetSettings, options: CallOptions): Promise<Fleet> {
    const init = { nodes: this.nodes, trackers: this.#trackers, originHost: this.origin.host }
    return await Fleet.start({ ...init, ...settings }, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }
}

const ORIGIN = 'origin'

function names(kind: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${kind}${index + 1}`)
}

async function makePlaces(
  hosts: readonly string[],
  links: Links | undefined,
  owned: AsyncDisposableStack,
): Promise<(name: string) => Place> {
  if (links === undefined) return loopbackPlace
  const origin = { name: ORIGIN, bitsPerSecond: links.originBitsPerSecond }
  const others = hosts.map((name) => ({ name, bitsPerSecond: links.nodeBitsPerSecond }))
  const shaped = owned.use(await ShapedNetwork.start({ hosts: [origin, ...others], latencyMs: links.latencyMs }))
  return (name) => shaped.place(name)
}
