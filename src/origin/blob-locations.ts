import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock, Digest } from '../core/index.ts'
import type { Identity } from './settings.ts'

/** Signed URLs live 5 to 20 minutes; below that, none runs out in use. One that does is found out by its 403. */
const LOCATION_TTL_MS = 4 * 60 * 1000

/** Most locations kept for one registry: the layers of some hundred images. */
const MAX_LOCATIONS = 4096

interface Location {
  readonly url: URL
  readonly untilMs: number
}

/** Where the storage of one registry handed out a blob last, for each identity that was let in, so that the next range goes there directly. */
export class BlobLocations {
  readonly #clock: Clock
  readonly #locations = new LRUCache<string, Location>({ max: MAX_LOCATIONS })

  constructor(components: { readonly clock: Clock }) {
    this.#clock = components.clock
  }

  get(key: string): URL | undefined {
    const location = this.#locations.get(key)
    return location === undefined || location.untilMs <= this.#clock.now() ? undefined : location.url
  }

  set(key: string, url: URL): void {
    this.#locations.set(key, { url, untilMs: this.#clock.now() + LOCATION_TTL_MS })
  }

  delete(key: string): void {
    this.#locations.delete(key)
  }
}

/** The key of a location. A URL signed for one identity is never used for another, who may not have been let in. */
export function locationKey(repository: string, digest: Digest, identity: Identity): string {
  const who = identity.kind === 'caller' ? hash('sha256', identity.authorization, 'base64url') : identity.kind
  return `${repository} ${digest} ${who}`
}
