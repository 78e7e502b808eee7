/**
 * The operator's side of the agent: probes, metrics, status, limits, and pulls ahead of time, over HTTP on a port of its own.
 * Promise: it only reports, triggers and passes on checked limits, a client that hangs up or floods it costs the agent nothing but a bounded moment.
 * Owns: its listening socket and the answers under way.
 */
export {
  type AdminComponents,
  type AdminInit,
  type AdminPrefetch,
  type AdminPullOptions,
  type AdminServer,
  type Health,
  startAdmin,
} from './server.ts'
