/** Helpers that know nothing of images or peers. Promise: small, pure of the domain, each tested. */
export { abortable } from './abortable.ts'
export { SingleFlight } from './single-flight.ts'
export { version } from './version.ts'
