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
  /** Nodes that have an agent from the beginning, the first of them; all when left out. */
  readonly agents?: number
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
  readonly trackers: readonly ShoalProcess[]
  readonly #init: FleetInit
  readonly #swarm: Swarm
  readonly #nodes: FleetNode[]

  private constructor(init: FleetInit, swarm: Swarm) {
    this.#init = init
    this.#swarm = swarm
    this.trackers = swarm.trackers
    this.#nodes = swarm.agents.map((agent) => fleetNode(init, agent))
  }

  /** In the order in which their agents were started. */
  get nodes(): readonly FleetNode[] {
    return this.#nodes
  }

  /** Starts all processes, and gives them the time to find each other: a node in production is up before it pulls. */
  static async start(init: FleetInit, options: CallOptions): Promise<Fleet> {
    options.signal.throwIfAborted()
    const swarm = await Swarm.start({
      trackers: init.trackers.length,
      agents: init.agents ?? init.nodes.length,
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

  /** Starts an agent on the next node that has none; it serves once this resolves, and may know nobody yet. */
  async join(): Promise<FleetNode> {
    const node = fleetNode(this.#init, await this.#swarm.addAgent())
    this.#nodes.push(node)
    return node
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

  /** Until every agent is connected to a peer. One agent alone has none to wait for. */
  async #settle(options: CallOptions): Promise<void> {
    if (this.nodes.length + this.trackers.length < 2) return
    const deadlineMs = performance.now() + SETTLE_TIMEOUT_MS
    for (;;) {
      const counts = this.nodes.map(async ({ agent, client }) => await client.connectedPeers(agent.adminUrl, options))
      if ((await Promise.all(counts)).every((peers) => peers > 0)) return
      if (performance.now() > deadlineMs) throw new Error('the agents did not find each other')
      await sleep(SETTLE_POLL_MS, undefined, options)
    }
  }
}

function fleetNode(init: FleetInit, agent: ShoalProcess): FleetNode {
  const node = nodeOf(init, agent.name)
  if (node === undefined) throw new Error(`there is no node for ${agent.name}`)
  return { agent, client: node.client, zone: zoneOf(init, agent.name) }
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
