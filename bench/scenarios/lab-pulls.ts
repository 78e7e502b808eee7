/** What scenarios that pull images through a lab have in common: who pulls from where, and how long that may take. */
import type { FleetNode } from '../lab/fleet.ts'
import type { Lab, Links } from '../lab/lab.ts'
import type { WavePull } from '../lab/wave.ts'

/** A pull may take this many times what it takes when every byte comes over the origin's link, and a minute. */
const TIMEOUT_FACTOR = 3
const TIMEOUT_BASE_MS = 60_000

/** What a machine moves at least where nothing is shaped; only deadlines depend on it. */
const UNSHAPED_BYTES_PER_SECOND = 20e6

/** Images that fit a store: the one being pulled, the one before it, and room. */
const IMAGES_IN_STORE = 2.5

/** Room in a store besides images: maps, and what is being written. */
const STORE_ROOM_MIB = 64

/** Bytes of an image that is pulled before anything is measured: enough for the code of all processes to be compiled. */
export const WARM_UP_BYTES = 16 * 1024 ** 2

/** Pulls by the clients of `nodes`, each through its agent, else from the origin. */
export function pullsThroughAgents({ origin }: Lab, nodes: readonly FleetNode[]): readonly WavePull[] {
  const registry = { url: `http://${origin.host}` }
  return nodes.map(({ client, agent }) => {
    return { client, hosts: [{ url: agent.mirrorUrl, namespace: origin.host }, registry] }
  })
}

/** Pulls by the clients of the nodes from `start` to `end`, straight from the origin. */
export function pullsFromOrigin({ origin, nodes }: Lab, start: number, end: number): readonly WavePull[] {
  const hosts = [{ url: `http://${origin.host}` }]
  return nodes.slice(start, end).map(({ client }) => ({ client, hosts }))
}

/** Longest that pulls may take of which `bytes` cross the origin's link together at worst. */
export function pullTimeoutMs(links: Links | undefined, bytes: number): number {
  const bytesPerSecond = links === undefined ? UNSHAPED_BYTES_PER_SECOND : links.originBitsPerSecond / 8
  return Math.ceil(TIMEOUT_BASE_MS + (TIMEOUT_FACTOR * 1_000 * bytes) / bytesPerSecond)
}

/** The setting `store.quota` for images of `imageBytes`. */
export function storeQuota(imageBytes: number): string {
  return `${Math.ceil((imageBytes * IMAGES_IN_STORE) / 1024 ** 2) + STORE_ROOM_MIB}MiB`
}
