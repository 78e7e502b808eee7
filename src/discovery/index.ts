/**
 * Who is in the swarm and which peers have which layer: the DHT by layer digest, the configured peers (trackers among
 * them) and the peers of earlier.
 * Promise: nothing here waits for the network: provides are done later and repeated, finds yield as they go and end
 * within seconds, lost peers are called again for as long as it takes.
 * Owns: the list of provided layers, recent walks, reports of stale providers, the links to bootstrap peers and the
 * file of remembered peers.
 */
export { Discovery, type DiscoveryComponents, type DiscoveryInit } from './discovery.ts'
export type { DiscoveryNode } from './discovery-node.ts'
export { InvalidBootstrapAddressError } from './errors.ts'
