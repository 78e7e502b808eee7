import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusView } from '../../src/cli/status-view.ts'
import type { Settings, ShoalProcess } from '../../test/support/shoal-process.ts'
import { Swarm } from '../../test/support/swarm.ts'
import type { Client } from './client.ts'
import type { Place } from './place.ts'
import { RUN_FOLDER } from './run-name.ts'
import type { CallOptions } from './worker.ts'

/** A place for an agent, with the client that is there. */
export interface NodePlace {
  readonly place: Place
  readonly client: Client
}

export interface FleetInit {
  readonly nodes: readonly NodePlace[]
  readonly trackers: readonly Place[]
  readonly originHost: string
  /** Agents get the zones z1 to zN in turn; none when left out. */
  readonly zones?: number
  /** Laid over the settings of every process. */
  readonly settings: Settings
}

/** One node of a fleet. */
export interface FleetNode {
  readonly agent: ShoalProcess
  readonly client: Client
  readonly zone: string
}

/** Connecting takes a second or two; many processes that start on few processors take their time. */
const SETTLE_TIMEOUT_MS = 60_000

/** Between two looks at the agents while they connect. */
const SETTLE_POLL_MS = 200

/** Trackers and agents of one cluster, real processes, each at its place. */
export class Fleet implements AsyncDisposable {
  readonly nodes: readonly FleetNode[]
  readonly trackers: readonly ShoalProcess[]
  readonly #swarm: Swarm

  private constructor(init: FleetInit, swarm: Swarm) {
    this.#swarm = swarm
    this.trackers = swarm.trackers
    this.nodes = swarm.agents.flatMap((agent) => {
      const node = nodeOf(init, agent.name)
      return node === undefined ? [] : [{ agent, client: node.client, zone: zoneOf(init, agent.name) }]
    })
  }

  /** Starts all processes, and gives them the time to find each other: a node in production is up before it pulls. */
  static async start(init: FleetInit, options: CallOptions): Promise<Fleet> {
    options.signal.throwIfAborted()
    const swarm = await Swarm.start({
      trackers: init.trackers.length,
      agents: init.nodes.length,
      origins: [init.originHost],
      folderName: RUN_FOLDER,
      settings: init.settings,
      placement: (name) => placementOf(init, name),
    })
    const fleet = new Fleet(init, swarm)
    try {
      await fleet.#settle(options)
      return fleet
    } catch (error) {
      await fleet[Symbol.asyncDispose]()
      throw error
    }
  }

  /** What each agent that still runs says of itself. */
  async statuses(options: CallOptions): Promise<ReadonlyMap<FleetNode, StatusView>> {
    const running = this.nodes.filter(({ agent }) => agent.child.isRunning)
    const entries = running.map(async (node) => [node, await node.client.status(node.agent.adminUrl, options)] as const)
    return new Map(await Promise.all(entries))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#swarm[Symbol.asyncDispose]()
  }

  /** Until every agent has a peer. One agent alone has none to wait for. */
  async #settle(options: CallOptions): Promise<void> {
    if (this.nodes.length + this.trackers.length < 2) return
    const deadlineMs = performance.now() + SETTLE_TIMEOUT_MS
    for (;;) {
      const statuses = [...(await this.statuses(options)).values()]
      if (statuses.every(({ ready, peers }) => ready.ok && peers.length > 0)) return
      if (performance.now() > deadlineMs) throw new Error('the agents did not find each other')
      await sleep(SETTLE_POLL_MS, undefined, options)
    }
  }
}

function placementOf(init: FleetInit, name: string) {
  const place = isTracker(name) ? init.trackers[numberOf(name) - 1] : nodeOf(init, name)?.place
  if (place === undefined) throw new Error(`there is no place for ${name}`)
  const zone = zoneOf(init, name)
  const addresses = {
    p2p: { listen: [`/ip4/${place.address}/tcp/0`] },
    exchange: { listen: `${place.address}:0` },
  }
  return { commandPrefix: place.commandPrefix, settings: { ...addresses, ...(zone === '' ? {} : { zone }) } }
}

function zoneOf({ zones }: FleetInit, name: string): string {
  return zones === undefined ? '' : `z${((numberOf(name) - 1) % zones) + 1}`
}

function nodeOf(init: FleetInit, name: string): NodePlace | undefined {
  return init.nodes[numberOf(name) - 1]
}

function isTracker(name: string): boolean {
  return name.startsWith('tracker-')
}

/** The number in `agent-3`. */
function numberOf(name: string): number {
  return Number(/\d+$/.exec(name)?.[0])
}
