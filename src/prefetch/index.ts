/**
 * Pulls that nobody waits for with a socket: a whole image into this agent's store, or into those of many agents.
 * Promise: each blob is fetched as for a client and verified whole; ending the call cancels what only it wanted. An order to
 * many goes from node to node, each telling a few; it reaches all who can be reached, and ends within its time whoever dies.
 * Owns the pulls and orders under way, nothing else.
 */
export { type ImagePullComponents, type PullEvent, pullImage } from './image-pull.ts'
export { Libp2pNetwork } from './libp2p-network.ts'
export { type PrefetchEvent, type PrefetchRequest, prefetch, summaryOf } from './prefetch.ts'
export { Prefetcher } from './prefetcher.ts'
