/**
 * What the process is told to do: defaults, a YAML file, `SHOAL_*` variables and flags, merged and checked.
 * Promise: what `loadConfig` returns is complete and in range, in the units its names say; whatever is wrong is refused with
 * its path, its source and a reason before anything is started. Secrets never appear in messages or in print.
 * Owns no state.
 */
export { warningsFor } from './check.ts'
export type { Config, MirrorConfig, P2pConfig, RegistryConfig, TimeoutsConfig } from './config.ts'
export { formatDuration, parseDuration } from './duration.ts'
export { ConfigError, type ConfigProblem, LimitsError } from './errors.ts'
export type { ConfigSources } from './gather.ts'
export {
  changedLimits,
  DIRECTIONS,
  type Direction,
  type Limits,
  type LimitsChange,
  type LimitsDocument,
  limitsDocument,
  parseLimitsChange,
} from './limits.ts'
export { formatListenAddress, type ListenAddress, parseListenAddress } from './listen-address.ts'
export { loadConfig } from './load.ts'
export { printConfig } from './print.ts'
export { formatRate, parseRate } from './rate.ts'
export { configReference, type SettingReference } from './reference.ts'
export { formatSize, parseSize } from './size.ts'
