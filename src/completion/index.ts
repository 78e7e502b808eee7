/**
 * Completes layers that clients have read parts of, so that later reads are local.
 * Promise: nobody waits for it, and it makes nobody wait: it keeps out of the way of readers and pulls, takes what it
 * fetches from peers first, evicts nothing, gives up after some failures, and ends with the process.
 * Owns which layers are to be completed, and the one that is being.
 */
export { Completer, type CompleterComponents, type CompleterInit } from './completer.ts'
export type { CompletionStatus } from './status.ts'
