/** Helpers that know nothing of images or peers. Promise: small, pure of the domain, each tested. */
export { abortable } from './abortable.ts'
export {
  BANDWIDTH_CLASSES,
  type Bandwidth,
  type BandwidthClass,
  type BandwidthRates,
  RATE_NAMES,
  UNLIMITED,
} from './bandwidth.ts'
export { BandwidthBusyError, BandwidthLimiter } from './bandwidth-limiter.ts'
export { BufferPool, type BufferPoolInit, type Buffers, freshBuffers, type Lease, unpooled } from './buffer-pool.ts'
export { settlesWithin, within } from './deadline.ts'
export { SingleFlight } from './single-flight.ts'
export { version } from './version.ts'
