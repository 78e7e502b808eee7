/**
 * The two processes, put together from the modules: `startAgent` and `startTracker`.
 * Promise: starts in dependency order, leaves nothing running when it fails, stops in reverse.
 * Owns: every long-lived object of the process; the only place that makes them.
 */
export { startAgent } from './agent.ts'
export type { RunningProcess } from './process.ts'
export { startTracker } from './tracker.ts'
