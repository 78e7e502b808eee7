import { flushCompileCache } from 'node:module'

/**
 * Ends the start of a process that will run for months. Loading leaves the heap full of holes, and V8 compacts an idle heap
 * only much later if at all: one compaction (0.12 s) gives 15 MB back. The launcher lets us ask for it and names the folder of
 * compiled code, which Node.js otherwise writes when a process exits, and not at all when it is killed.
 */
export function settleMemory(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  flushCompileCache()
}
