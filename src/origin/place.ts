import { DOCKER_HUB, DOCKER_HUB_HOST, originUrlOf } from '../oci/index.ts'
import { isLoopback } from './address-policy.ts'
import type { RegistrySettings } from './settings.ts'

/** Where one registry is, and what follows from that for what it may be told. */
export interface Place {
  readonly namespace: string
  /** Ends with `/v2/`. */
  readonly baseUrl: URL
  readonly isPlainHttp: boolean
  readonly isLoopback: boolean
  /** The host to look up credentials by: `docker.io` for Docker Hub, else the host that is really asked. */
  readonly credentialHost: string
  readonly realmHosts: ReadonlySet<string>
}

/** The place of a normalised namespace; throws a TypeError when the configured URL is not an http(s) URL. */
export function placeOf(namespace: string, settings: RegistrySettings): Place {
  const text = settings.url ?? originUrlOf(namespace, { plainHttp: settings.plainHttp === true })
  const baseUrl = new URL(`${text.replace(/\/+$/, '')}/v2/`)
  if (baseUrl.protocol !== 'https:' && baseUrl.protocol !== 'http:')
    throw new TypeError(`registry URL ${text} is not http or https`)
  return {
    namespace,
    baseUrl,
    isPlainHttp: baseUrl.protocol === 'http:',
    isLoopback: isLoopback(baseUrl),
    credentialHost: baseUrl.host === DOCKER_HUB_HOST ? DOCKER_HUB : baseUrl.host,
    realmHosts: new Set(settings.realmHosts),
  }
}
