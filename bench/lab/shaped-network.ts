import { Latency } from './latency.ts'
import { deleteNamespace, deleteNamespaceAtOnce, entering, listNamespaces, network } from './namespace.ts'
import type { Place } from './place.ts'
import { RUN_NAME } from './run-name.ts'

/** One end of the network: a host with a link of its own to a switch that is never the bottleneck. */
export interface Host {
  readonly name: string
  /** Of its link, in each direction. */
  readonly bitsPerSecond: number
}

export interface ShapedNetworkInit {
  readonly hosts: readonly Host[]
  /** Added to every packet where it arrives; a round trip between two hosts takes twice that. */
  readonly latencyMs: number
}

/** A token bucket holds what passes in one timer tick of a kernel at 250 Hz. */
const TICKS_PER_SECOND = 250

/**
 * Two of the largest segments that a host hands down. A smaller bucket has the kernel cut each into Ethernet frames, and
 * carrying these for all hosts at once takes more of this machine's processors than Shoal does. 10 ms at 100 Mbit/s.
 */
const MIN_BUCKET_BYTES = 128 * 1024

/** Longest that a packet waits in a link's queue before the next is dropped: what a good switch port has. */
const QUEUE = '50ms'

/** Names in this process, so that two networks of one run do not collide. */
let networkCount = 0

const liveNetworks = new Set<ShapedNetwork>()
process.on('exit', () => {
  for (const shaped of liveNetworks) shaped.removeAtOnce()
})

/**
 * Hosts in network namespaces of their own, joined by a bridge in another one, with links shaped in both directions.
 * Touches none of the machine's own interfaces; several may be up at the same time. Needs root.
 */
export class ShapedNetwork implements AsyncDisposable {
  readonly #prefix = `${RUN_NAME}-${networkCount++}`
  readonly #places = new Map<string, Place>()
  readonly #latency = new AsyncDisposableStack()

  /** Brings everything up; removes it again when something fails. */
  static async start(init: ShapedNetworkInit): Promise<ShapedNetwork> {
    const shaped = new ShapedNetwork()
    liveNetworks.add(shaped)
    try {
      await shaped.#start(init)
      return shaped
    } catch (error) {
      await shaped[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Where processes of that host run. */
  place(name: string): Place {
    const place = this.#places.get(name)
    if (place === undefined) throw new Error(`there is no host ${name}`)
    return place
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#latency.disposeAsync()
    for (const namespace of await this.#namespaces()) await deleteNamespace(namespace)
    liveNetworks.delete(this)
  }

  /** Removes the namespaces without waiting, for the last moment of this process. */
  removeAtOnce(): void {
    const names = [...this.#places.keys(), SWITCH].map((name) => this.#namespaceOf(name))
    for (const name of names) deleteNamespaceAtOnce(name)
  }

  async #start({ hosts, latencyMs }: ShapedNetworkInit): Promise<void> {
    const bridge = this.#namespaceOf(SWITCH)
    await network('ip', 'netns', 'add', bridge)
    await network('ip', '-n', bridge, 'link', 'add', 'core', 'type', 'bridge')
    await network('ip', '-n', bridge, 'link', 'set', 'core', 'up')
    const latency = latencyMs > 0 ? this.#latency.use(await Latency.prepare()) : undefined
    for (const [index, host] of hosts.entries()) {
      const place = await this.#addHost(host, index, bridge)
      await latency?.add(place, latencyMs)
    }
  }

  async #addHost(host: Host, index: number, bridge: string): Promise<Place> {
    const namespace = this.#namespaceOf(host.name)
    const address = addressOf(index)
    const place = { name: host.name, address, commandPrefix: entering(namespace), isLoopback: false }
    this.#places.set(host.name, place)
    const port = `port${index}`
    await network('ip', 'netns', 'add', namespace)
    await network('ip', '-n', namespace, 'link', 'set', 'lo', 'up')
    await network('ip', '-n', bridge, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
    await network('ip', '-n', bridge, 'link', 'set', port, 'master', 'core', 'up')
    await network('ip', '-n', namespace, 'address', 'add', `${address}/16`, 'dev', 'eth0')
    await network('ip', '-n', namespace, 'link', 'set', 'eth0', 'up')
    await shape(namespace, 'eth0', host.bitsPerSecond)
    await shape(bridge, port, host.bitsPerSecond)
    return place
  }

  #namespaceOf(name: string): string {
    return `${this.#prefix}-${name}`
  }

  async #namespaces(): Promise<readonly string[]> {
    return (await listNamespaces()).filter((name) => name.startsWith(`${this.#prefix}-`))
  }
}

/** Host name of the bridge's namespace. */
const SWITCH = 'switch'

/** Hosts that fit the last byte of an address, leaving out .0 and .255. */
const HOSTS_PER_BYTE = 250

/** 10.77/16: a private network (RFC 1918) that exists only inside the namespaces. */
function addressOf(index: number): string {
  return `10.77.${Math.floor(index / HOSTS_PER_BYTE)}.${1 + (index % HOSTS_PER_BYTE)}`
}

/** Limits what leaves through `device`: a token bucket that drops what has waited too long, as a switch port does. */
async function shape(namespace: string, device: string, bitsPerSecond: number): Promise<void> {
  const bucketBytes = Math.max(Math.ceil(bitsPerSecond / 8 / TICKS_PER_SECOND), MIN_BUCKET_BYTES)
  const limits = ['rate', `${Math.round(bitsPerSecond)}bit`, 'burst', `${bucketBytes}`, 'latency', QUEUE]
  await network('tc', '-n', namespace, 'qdisc', 'add', 'dev', device, 'root', 'tbf', ...limits)
}
