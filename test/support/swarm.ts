import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateClusterKey } from '../../src/p2p/cluster-key.ts'
import { type TempFolder, tempFolder } from './scope.ts'
import { type Settings, type ShoalInit, ShoalProcess } from './shoal-process.ts'

/** Where a process of a swarm runs when it is not simply here, on loopback. */
export interface Placement {
  /** Put in front of its command line, for example to enter a network namespace. */
  readonly commandPrefix: readonly string[]
  /** Its addresses, laid over those of the harness. */
  readonly settings: Settings
}

export interface SwarmInit {
  readonly agents: number
  readonly trackers: number
  /** Registries that may be pulled from, as `host:port`; all are spoken to without TLS. */
  readonly origins: readonly string[]
  /** Laid over the settings of every process. */
  readonly settings?: Settings
  /** Whether clients must prove at the origin what they may pull; `open` when left out. */
  readonly access?: 'open' | 'verify'
  /** Where each process runs, by its name (`agent-1`, `tracker-1`). */
  readonly placement?: (name: string) => Placement
  /** What its temporary folder is called; `swarm` when left out. */
  readonly folderName?: string
}

/** Agents and trackers of one cluster, each a process of its own, in one temporary folder. */
export class Swarm implements AsyncDisposable {
  readonly trackers: ShoalProcess[] = []
  readonly agents: ShoalProcess[] = []
  readonly #init: SwarmInit
  readonly #folder: string
  readonly #owned = new AsyncDisposableStack()

  private constructor(init: SwarmInit, folder: TempFolder) {
    this.#init = init
    this.#folder = this.#owned.use(folder).path
  }

  /** Starts the trackers, then the agents, all of one kind at the same time. */
  static async start(init: SwarmInit): Promise<Swarm> {
    const swarm = new Swarm(init, await tempFolder(init.folderName ?? 'swarm'))
    try {
      await swarm.#start()
      return swarm
    } catch (error) {
      await swarm[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Starts one more agent of the same cluster. */
  async addAgent(settings: Settings = {}): Promise<ShoalProcess> {
    const agent = await this.#startProcess('agent', `agent-${this.agents.length + 1}`, settings)
    this.agents.push(agent)
    return agent
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }

  async #start(): Promise<void> {
    const { trackers, agents } = this.#init
    await writeFile(this.#clusterKeyFile, `${generateClusterKey().toText()}\n`, { mode: 0o600 })
    this.trackers.push(...(await this.#startMany('tracker', 1, trackers)))
    // Without a tracker the first agent is the one that the others join through.
    if (trackers === 0 && agents > 0) await this.addAgent()
    const first = this.agents.length + 1
    this.agents.push(...(await this.#startMany('agent', first, agents)))
  }

  async #startMany(role: ShoalInit['role'], first: number, last: number): Promise<ShoalProcess[]> {
    const numbers = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index)
    const starts = numbers.map(async (number) => await this.#startProcess(role, `${role}-${number}`, {}))
    // Not before all have come up or failed: one that is still starting could not be disposed of.
    await Promise.allSettled(starts)
    return await Promise.all(starts)
  }

  async #startProcess(role: ShoalInit['role'], name: string, settings: Settings): Promise<ShoalProcess> {
    const folder = join(this.#folder, name)
    const known = { trackers: addressesOf(this.trackers), p2p: { bootstrap: addressesOf(this.agents.slice(0, 1)) } }
    const shared = { cluster: { keyFile: this.#clusterKeyFile }, registries: this.#registries(), ...known }
    const placement = this.#init.placement?.(name)
    const layers = [harnessSettings(folder), shared, this.#init.settings ?? {}, placement?.settings ?? {}, settings]
    const commandPrefix = placement?.commandPrefix ?? []
    const init = { role, name, folder, settings: layers.reduce(overlay), commandPrefix }
    return this.#owned.use(await ShoalProcess.start(init))
  }

  get #clusterKeyFile(): string {
    return join(this.#folder, 'cluster.key')
  }

  #registries(): Settings {
    const access = this.#init.access ?? 'open'
    return Object.fromEntries(this.#init.origins.map((host) => [host, { url: `http://${host}`, access }]))
  }
}

/** Loopback, ports chosen by the system, little disk, logs for machines. */
function harnessSettings(folder: string): Settings {
  return {
    dataDir: join(folder, 'data'),
    store: { quota: '2GiB', minFree: '64MiB' },
    mirror: { listen: ['127.0.0.1:0'] },
    admin: { listen: '127.0.0.1:0' },
    p2p: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    exchange: { listen: '127.0.0.1:0' },
    log: { level: 'info', format: 'json' },
  }
}

/** `above` laid over `below`: sections are merged, everything else is replaced. */
function overlay(below: Settings, above: Settings): Settings {
  const merged: Record<string, unknown> = { ...below }
  for (const [key, value] of Object.entries(above)) {
    const under = merged[key]
    merged[key] = isSection(under) && isSection(value) ? overlay(under, value) : value
  }
  return merged
}

function isSection(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function addressesOf(processes: readonly ShoalProcess[]): string[] {
  return processes.flatMap((process) => process.addresses)
}
